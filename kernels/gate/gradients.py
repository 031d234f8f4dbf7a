"""Backward against finite differences of the program's own forward: torch's gradcheck in fast mode."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

STEP = 2.0**-6
"""In float32 a smaller step drowns in rounding; central differences of products of two or three factors are
exact but for it, and of a sigmoid within 1e-4."""
TOLERANCE = 2e-3


def check(
    forward: Callable[..., Tensor],
    backward: Callable[..., tuple[Tensor, ...]],
    inputs: Sequence[Tensor],
    differentiable: Sequence[bool],
) -> str | None:
    """None, or what differs, in one sentence. `inputs` are float32, or integers, on one device.

    Raises whatever the program raises.
    """

    class Program(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *given: Tensor) -> Tensor:
            ctx.save_for_backward(*given)
            return forward(*given)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
            found = iter(backward(grads[0], *ctx.saved_tensors))
            return tuple(next(found) if wanted else None for wanted in differentiable)

    leaves = [
        tensor.detach().clone().requires_grad_(wanted)
        for tensor, wanted in zip(inputs, differentiable, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not a double precision floating point")
        try:
            gradcheck(
                Program.apply,
                leaves,
                eps=STEP,
                atol=TOLERANCE,
                rtol=TOLERANCE,
                fast_mode=True,
                check_undefined_grad=False,
            )
        except GradcheckError as difference:
            return " ".join(str(difference).split())[:300]
    return None
