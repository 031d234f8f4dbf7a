"""What is wrong with what one call gave back, in pairs of a finding's name and a sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import accuracy
from .observed_call import ObservedCall, storage
from .report import Direction

Wrong = tuple[str, str]


@dataclass(frozen=True)
class Form:
    """What a result must look like; any of `strides` will do."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    strides: tuple[tuple[int, ...], ...]


def gradient_form(tensor: Tensor) -> Form:
    """The form of the gradient of an input: contiguous, or laid out as `torch.empty_like` lays it out."""
    return Form(
        tuple(tensor.shape),
        tensor.dtype,
        (torch.empty(tensor.shape).stride(), torch.empty_like(tensor).stride()),
    )


def error(raised: BaseException) -> str:
    """The type and the first 300 characters of an error on one line."""
    return f"{type(raised).__name__}: {' '.join(str(raised).split())[:300]}"


def tensors(result: Any, direction: Direction) -> tuple[Tensor, ...]:
    """The tensors among what a call returned, in order."""
    several = result if direction == "backward" and isinstance(result, tuple) else (result,)
    return tuple(each for each in several if isinstance(each, Tensor))


def conduct(seen: ObservedCall, needs_launch: bool) -> Iterator[Wrong]:
    """What the call did on the way: raised, left its tensors, raced, or had PyTorch do the work."""
    if seen.out_of_bounds is not None:
        yield "out_of_bounds", seen.out_of_bounds
    elif seen.error is not None:
        yield "raises", error(seen.error)
    if seen.overflow is not None:
        yield "overflow", seen.overflow
    for race in seen.races:
        yield "race", race
    if seen.operations:
        listed = ", ".join(dict.fromkeys(seen.operations))
        yield "torch_computes", f"{len(seen.operations)} calls of PyTorch operators that compute: {listed}"
    if needs_launch and seen.error is None and not seen.launches:
        yield "unlaunched", "the program returned without a single launch"


def form(
    result: Any,
    direction: Direction,
    names: Sequence[str],
    models: Sequence[Form],
    inputs: accuracy.Inputs,
) -> Iterator[Wrong]:
    """Whether results are plain tensors of the right shape, dtype and layout, each on memory of its own."""
    if direction == "backward" and (type(result) is not tuple or len(result) != len(names)):
        got = (
            f"a {type(result).__name__}"
            if type(result) is not tuple
            else f"a tuple of {len(result)} elements"
        )
        yield "type", f"backward returns a tuple of {len(names)}, for {', '.join(names)}; it returned {got}"
        return
    taken = {storage(tensor): f"input {index}" for index, tensor in enumerate(inputs)}
    for name, tensor, model in zip(
        names, result if direction == "backward" else (result,), models, strict=True
    ):
        if type(tensor) is not Tensor:
            yield "type", f"{name} is a {type(tensor).__module__}.{type(tensor).__name__}, not a plain tensor"
            continue
        yield from _form_of_one(name, tensor, model)
        place = storage(tensor)
        if tensor.numel() and place in taken:
            yield "alias", f"{name} stands in the memory of {taken[place]}"
        taken[place] = name
        size = tensor.untyped_storage().nbytes()
        if size != tensor.numel() * tensor.element_size():
            yield "alias", f"{name} is {tensor.numel() * tensor.element_size()} bytes of a memory of {size}"


def _form_of_one(name: str, tensor: Tensor, model: Form) -> Iterator[Wrong]:
    if tuple(tensor.shape) != model.shape:
        yield "shape", f"{name} has shape {tuple(tensor.shape)}, the reference's {model.shape}"
    elif tensor.layout is not torch.strided or tensor.is_conj() or tensor.is_neg() or tensor.requires_grad:
        yield "type", f"{name} is sparse, lazily negated or conjugated, or asks for a gradient"
    elif tensor.numel() and tensor.stride() not in model.strides:
        wanted = " or ".join(str(each) for each in dict.fromkeys(model.strides))
        yield "strides", f"{name} has strides {tensor.stride()}, not {wanted}"
    if tensor.dtype != model.dtype:
        yield "dtype", f"{name} is {tensor.dtype}, not {model.dtype}"


def values(
    outputs: Sequence[Tensor], names: Sequence[str], truths: Sequence[accuracy.Truth], seen: ObservedCall
) -> Iterator[Wrong]:
    """Whether every element was written and is right; outputs are in good form."""
    unwritten = dict(seen.unwritten)
    for name, tensor, truth in zip(names, outputs, truths, strict=True):
        left = unwritten.get(storage(tensor))  # None: nobody watched
        poison = int((tensor.isnan() & torch.isfinite(truth.exact)).sum())
        if poison and left != 0:
            watched = "nobody watched" if left is None else f"no launch wrote {left} of them"
            yield (
                "unwritten",
                f"{poison} of {tensor.numel()} elements of {name} are NaN, as fresh memory is; {watched}",
            )
            continue
        place = accuracy.pattern(tensor, truth, strict=True)
        if place:
            yield "nan", f"in {name} {place}; inputs are finite, and fresh memory holds NaN"
            continue
        off = accuracy.miss(tensor, truth)
        if off.fails:
            yield "wrong" if off.coarse else "imprecise", f"{name} has {off}"
