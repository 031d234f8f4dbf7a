"""A program as a PyTorch operator: `torch.ops.recevolve.NAME`, which autograd and torch.compile take as a
whole.

The programs in `programs/` import Triton; nothing here does before the first call that runs one.
"""

import contextlib
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..operators import DTYPES, Operator

TRITON = importlib.util.find_spec("triton") is not None
"""Whether there is a Triton to run programs with."""

Shape = Callable[..., tuple[int, ...]]


@dataclass(frozen=True)
class Registered:
    """An operator's two ways: its Triton program, registered with PyTorch, and its reference."""

    operator: Operator
    kernel: Callable[..., Tensor]
    """`torch.ops.recevolve.NAME`: the program on whatever device, differentiable once."""

    def __call__(self, *inputs: Tensor, fits: bool = True) -> Tensor:
        """The program on a GPU, in the dtypes that it is made for, where the sizes fit it; else the
        reference.

        Autocast changes neither: both compute in the dtype of the inputs.
        """
        device = inputs[0].device.type
        if TRITON and fits and device == "cuda" and inputs[0].dtype in DTYPES:
            return self.kernel(*inputs)
        if device in ("cpu", "cuda"):  # asking PyTorch who has autocast breaks the graph in version 2.11
            with torch.autocast(device, enabled=False):
                return self.operator.reference(*inputs)
        return self.operator.reference(*inputs)


def _device_of(tensor: Tensor) -> contextlib.AbstractContextManager[None]:
    """Where launches go to the tensor's GPU, of several."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext()


def register(operator: Operator, shape: Shape) -> Registered:
    """Registers `programs/NAME.py`; `shape` gives that of the output from the inputs, for tracing.

    The backward pass is an operator too, `NAME_backward`. It has no derivative, and says so.
    """
    name, count = operator.name, len(operator.differentiable)
    takes = ", ".join(f"Tensor {each}" for each in operator.inputs)
    gives = "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
    places = [operator.inputs.index(each) for each in operator.differentiable]

    def program() -> Any:
        return importlib.import_module(f".programs.{name}", __package__)

    def forward(*inputs: Tensor) -> Tensor:
        with _device_of(inputs[0]):
            return program().forward(*inputs)  # type: ignore[no-any-return]

    def backward(grad: Tensor, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        with _device_of(grad):
            results: tuple[Tensor, ...] = program().backward(grad, *inputs)
        return results if count > 1 else results[0]

    def empty_forward(*inputs: Tensor) -> Tensor:
        return inputs[0].new_empty(shape(*inputs))

    def empty_backward(grad: Tensor, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        results = tuple(inputs[place].new_empty(inputs[place].shape) for place in places)
        return results if count > 1 else results[0]

    kernel = torch.library.custom_op(
        f"recevolve::{name}", forward, mutates_args=(), schema=f"({takes}) -> Tensor"
    )
    backward_kernel = torch.library.custom_op(
        f"recevolve::{name}_backward", backward, mutates_args=(), schema=f"(Tensor grad, {takes}) -> {gives}"
    )
    kernel.register_fake(empty_forward)
    backward_kernel.register_fake(empty_backward)

    def save(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    def gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        found = backward_kernel(grad, *ctx.saved_tensors)
        by_place = dict(zip(places, found if count > 1 else (found,), strict=True))
        return tuple(by_place.get(place) for place in range(len(operator.inputs)))

    def no_second(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(
            f"the kernels of {name} have a first derivative and no second: for a second one call "
            f"recevolve.kernels.reference.{operator.reference.__name__}"
        )

    kernel.register_autograd(gradients, setup_context=save)
    backward_kernel.register_autograd(no_second)
    return Registered(operator, kernel)
