"""How wrong an answer may be: three times as wrong as eager PyTorch in the same dtype, against float64."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..operators import Operator, Sizes

ALLOWANCE = 3.0
"""How many times eager's own error an answer may be off. A fixed tolerance passes tf32 for float32."""
COARSE = 0.02
"""Relative error from which an answer is wrong rather than imprecise; one bfloat16 errs by 0.004."""
_UNIT = 2.0**-24
"""Half the distance from 1 to the next float32: what one rounded operation of an accumulator may err by."""

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Truth:
    """What one output should be, in float64, and how far from it an honest program may land."""

    exact: Tensor
    eager: Tensor
    """The reference in the program's dtype."""
    norm: float
    """Euclidean norm of the error that counts as eager's, in units of the output."""
    most: float
    """Largest error of an element that counts as eager's."""


@dataclass(frozen=True)
class Miss:
    """By how much an answer is off."""

    ratio: float
    """The larger of the two errors over what counts as eager's; above 3 it fails."""
    relative: float
    """Norm of the error over the norm of the exact answer."""
    eager: float
    """The same of the error that counts as eager's."""

    @property
    def fails(self) -> bool:
        return not self.ratio <= ALLOWANCE

    @property
    def coarse(self) -> bool:
        return not self.relative <= COARSE

    def __str__(self) -> str:
        times = f"{self.ratio:.3g} times eager's {self.eager:.1e}; {ALLOWANCE:g} times are allowed"
        return f"a relative error of {self.relative:.1e}, {times}"


def forward(operator: Operator, inputs: Inputs) -> tuple[Tensor]:
    """The reference's output on these inputs, alone in a tuple."""
    with torch.no_grad():
        return (operator.reference(*inputs),)


def backward(operator: Operator, inputs: Inputs, grad: Tensor) -> Inputs:
    """The reference's gradients by autograd, one per name in `operator.differentiable`."""
    leaves = [
        tensor.detach().clone().requires_grad_() if name in operator.differentiable else tensor
        for name, tensor in zip(operator.inputs, inputs, strict=True)
    ]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    output = operator.reference(*leaves)
    if not output.requires_grad:  # nothing was computed from the inputs: an empty output
        return tuple(torch.zeros_like(leaf) for leaf in wanted)
    found = torch.autograd.grad(output, wanted, grad, allow_unused=True)
    return tuple(
        torch.zeros_like(leaf) if each is None else each for leaf, each in zip(wanted, found, strict=True)
    )


def draw(
    operator: Operator, sizes: Sizes, dtype: torch.dtype, direction: str, rng: torch.Generator
) -> Inputs:
    """Inputs of these sizes, and after them, for "backward", the gradient of the output."""
    inputs = operator.draw(sizes, dtype, rng)
    if direction == "forward":
        return inputs
    (output,) = forward(operator, inputs)
    return *inputs, torch.randn(output.shape, generator=rng, device=rng.device).to(dtype)


def evaluate(operator: Operator, direction: str, inputs: Inputs) -> Inputs:
    """The reference's results in a direction, from inputs as `draw` gives them."""
    if direction == "forward":
        return forward(operator, inputs)
    return backward(operator, inputs[:-1], inputs[-1])


def truths(
    evaluate: Callable[[Inputs], tuple[Tensor, ...]], inputs: Inputs, rng: torch.Generator
) -> tuple[Truth, ...]:
    """One truth per output of `evaluate`, which takes inputs of any floating dtype.

    What counts as eager's error is the largest of three, because on a handful of numbers eager is exact by
    luck: the error of the reference in this dtype; the exact answer rounded to this dtype; what the exact
    answer moves by when every input moves by one rounding of float32, in two random directions (cancellation
    makes that large, and no order of summation can avoid it). To it comes, for exact zeros and terms that
    cancel altogether, one rounding of float32 of the largest sum of squares of an input's row.
    """
    wide = tuple(_wide(tensor) for tensor in inputs)
    exact, eager = evaluate(wide), evaluate(inputs)
    moved = [evaluate(tuple(_nudge(tensor, rng) for tensor in wide)) for _ in range(2)]
    floor = _UNIT * max((_row_energy(tensor) for tensor in wide), default=0.0)
    result = []
    for index, (right, own) in enumerate(zip(exact, eager, strict=True)):
        unit = torch.finfo(own.dtype).eps / 2
        others = [own.double(), right + unit * right, *(each[index] for each in moved)]
        errors = [_finite_difference(other, right) for other in others]
        result.append(
            Truth(
                exact=right,
                eager=own,
                norm=max(float(error.norm()) for error in errors) + floor,
                most=max(_most(error) for error in errors) + floor,
            )
        )
    return tuple(result)


def miss(output: Tensor, truth: Truth) -> Miss:
    """How far `output` is from the truth where both are finite; `pattern` judges the other elements."""
    error = _finite_difference(output.double(), truth.exact)
    norm, most, size = float(error.norm()), _most(error), float(_finite(truth.exact).norm())
    ratio = max(_over(norm, truth.norm), _over(most, truth.most))
    return Miss(ratio, _over(norm, size), _over(truth.norm, size))


def pattern(output: Tensor, truth: Truth, strict: bool, cancels: bool = False) -> str | None:
    """None, or one sentence: where NaN and infinities stand differently from the reference.

    What is finite in float64 and in eager must be finite. If `strict`, what is NaN in both must be NaN, and
    what is infinite in both must not be finite, and have the sign if it is infinite. `cancels` says that
    inputs hold infinities: then an infinity passes for NaN too, since `inf - inf` and `inf` are two right
    ways to sum the same terms.
    """
    exact, eager, output = truth.exact, truth.eager.double(), output.double()
    spoiled = torch.isfinite(exact) & torch.isfinite(eager) & ~torch.isfinite(output)
    if spoiled.any():
        return _where("not finite where the reference is finite", spoiled, output)
    if not strict:
        return None
    lost = exact.isnan() & eager.isnan() & ~(output.isnan() | (cancels & output.isinf()))
    if lost.any():
        return _where("not NaN where the reference is NaN", lost, output)
    tamed = exact.isinf() & eager.isinf() & (torch.isfinite(output) | (output == -exact))
    if tamed.any():
        return _where("not infinite, or of the wrong sign, where the reference is infinite", tamed, output)
    return None


def _where(what: str, mask: Tensor, output: Tensor) -> str:
    first = tuple(int(index) for index in mask.nonzero()[0])
    return (
        f"{int(mask.sum())} of {mask.numel()} elements are {what}, first at {first}: {float(output[first])}"
    )


def _wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _nudge(tensor: Tensor, rng: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    signs = torch.randint(0, 2, tensor.shape, generator=rng, device=tensor.device) * 2 - 1
    return tensor * (1 + _UNIT * signs)


def _row_energy(tensor: Tensor) -> float:
    if not tensor.is_floating_point() or not tensor.numel():
        return 0.0
    return float(_finite(tensor).square().reshape(tensor.shape[0], -1).sum(dim=1).max())


def _finite(tensor: Tensor) -> Tensor:
    return torch.nan_to_num(tensor, nan=0.0, posinf=0.0, neginf=0.0)


def _finite_difference(output: Tensor, exact: Tensor) -> Tensor:
    return _finite(output - exact) * (torch.isfinite(output) & torch.isfinite(exact))


def _most(error: Tensor) -> float:
    return float(error.abs().max()) if error.numel() else 0.0


def _over(error: float, allowed: float) -> float:
    if error == 0.0:
        return 0.0
    return error / allowed if allowed else float("inf")
