"""Operators: what a fast kernel is measured against. Names, inputs, sizes, and the reference to equal.

A size is an int by letter: B rows, F fields, D width of an embedding, K = F * D features, R rank, T tables,
V rows of a table, N looked-up rows of a batch. Importing this needs torch alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from . import reference

Sizes = Mapping[str, int]
Counts = Callable[[Sizes], tuple[int, int]]
"""Sizes to (forward, backward)."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Shape:
    """Sizes that somebody trains at, with a name and a source for tables."""

    name: str
    sizes: Sizes
    source: str


@dataclass(frozen=True)
class Operator:
    """One operator, forward and backward.

    A program of it has `forward(*inputs) -> Tensor` and `backward(grad, *inputs)`, which returns a tuple with
    one tensor per name in `differentiable`, in that order. `grad` has the shape and dtype of the output.
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    differentiable: tuple[str, ...]
    reference: Callable[..., Tensor]
    """Naive PyTorch on any floating dtype; float64 is the oracle, the program's own dtype is eager."""
    draw: Callable[[Sizes, torch.dtype, torch.Generator], tuple[Tensor, ...]]
    """Inputs of these sizes on the generator's device. Parameters are random, never zeros or an identity."""
    flops: Counts
    """Floating-point operations, a multiply-add counting two."""
    elements: Counts
    """Elements of floating dtype that must cross memory once, whatever the program does."""
    index_bytes: Counts
    """Bytes of indices that must cross memory besides."""
    real: tuple[Shape, ...]
    """Where it is used in practice; the first one is the headline."""
    hidden: Callable[[int], Iterator[Sizes]]
    """From a seed, sizes for correctness: B of 0 and 1, odd F and D, F above 32, D of 1, all small."""


def _pairs(sizes: Sizes) -> int:
    return sizes["F"] * (sizes["F"] - 1) // 2


def _normal(shape: tuple[int, ...], dtype: torch.dtype, rng: torch.Generator, spread: float = 1.0) -> Tensor:
    return (torch.randn(shape, generator=rng, device=rng.device) * spread).to(dtype)


def _fields(seed: int) -> Iterator[Sizes]:
    rng = torch.Generator().manual_seed(seed)
    fixed = ((0, 3, 4), (1, 2, 1), (2, 27, 16), (3, 33, 17), (5, 7, 100))
    yield from ({"B": B, "F": F, "D": D} for B, F, D in fixed)
    while True:
        B, F, D = (int(torch.randint(1, most, (), generator=rng)) for most in (7, 41, 70))
        yield {"B": B, "F": F, "D": D}


_DLRM = (
    Shape(
        "dlrm-v1", {"B": 2048, "F": 27, "D": 128}, "MLPerf DLRM v1: 26 tables and a dense feature, width 128"
    ),
    Shape("dlrm-dcnv2-batch", {"B": 8192, "F": 27, "D": 128}, "MLPerf DLRM-DCNv2, per GPU of 8"),
    Shape("criteo-kaggle", {"B": 2048, "F": 27, "D": 16}, "DLRM's Criteo Kaggle configuration"),
    Shape("small", {"B": 512, "F": 11, "D": 16}, "a model as small as this project trains on a CPU"),
)

PAIRWISE_DOT = Operator(
    name="pairwise_dot",
    summary="dot products of every two different fields",
    inputs=("x",),
    differentiable=("x",),
    reference=reference.pairwise_dot,
    draw=lambda sizes, dtype, rng: (_normal((sizes["B"], sizes["F"], sizes["D"]), dtype, rng),),
    flops=lambda s: (2 * s["B"] * _pairs(s) * s["D"], 4 * s["B"] * _pairs(s) * s["D"]),
    elements=lambda s: (
        s["B"] * (s["F"] * s["D"] + _pairs(s)),
        s["B"] * (2 * s["F"] * s["D"] + _pairs(s)),
    ),
    index_bytes=lambda s: (0, 0),
    real=_DLRM,
    hidden=_fields,
)

OPERATORS: Mapping[str, Operator] = {each.name: each for each in (PAIRWISE_DOT,)}
"""Every operator by its name."""
