"""What a program is compared with: eager PyTorch and what `torch.compile` makes of the same reference."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch._functorch import config as functorch

from ..operators import Operator

MODES: Mapping[str, str | None] = {
    "eager": None,
    "compile": "default",
    "compile-max-autotune": "max-autotune-no-cudagraphs",
}
"""By name, the mode of `torch.compile`. Every contender is captured in a graph of ours. Max-autotune's own
graphs, which cannot be captured again, would save host time alone, and that is not counted."""


def build(
    operator: Operator, direction: str, mode: str | None, inputs: Sequence[Tensor]
) -> Callable[[], object]:
    """One direction of the reference, ready on `inputs`, for backward with the gradient last.

    The backward pass is autograd's alone: its forward has run and what it saved is there, while a program's
    backward is given nothing but inputs and gradient. The comparison favours the baseline.
    """
    function = operator.reference if mode is None else _compiled(operator.reference, mode)
    if direction == "forward":
        return partial(torch.no_grad()(function), *inputs)
    leaves = [
        tensor.detach().requires_grad_(name in operator.differentiable)
        for name, tensor in zip(operator.inputs, inputs[:-1], strict=True)
    ]
    with functorch.patch(donated_buffer=False):
        output = function(*leaves)  # a compiled backward may otherwise run once only
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    return lambda: torch.autograd.grad(output, wanted, inputs[-1], retain_graph=True)


@cache
def _compiled(reference: Callable[..., Tensor], mode: str) -> Callable[..., Any]:
    return torch.compile(reference, mode=mode, dynamic=False)
