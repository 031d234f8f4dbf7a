"""Operators: what a fast kernel is measured against. Names, inputs, sizes, and the reference to equal.

A size is an int by letter: B rows, F fields, D width of an embedding, K = F * D features, R rank, T tables,
V rows of all tables, N looked-up rows of a batch. Importing this needs torch alone.
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
    real: tuple[Shape, ...]
    """Where it is used in practice; the first one is the headline."""
    hidden: Callable[[int], Iterator[Sizes]]
    """From a seed, sizes for correctness: B of 0 and 1, odd F and D, F above 32, D of 1, all small."""
    index_bytes: Counts = lambda sizes: (0, 0)
    """Bytes of indices that must cross memory besides."""


def _normal(shape: tuple[int, ...], dtype: torch.dtype, rng: torch.Generator, spread: float = 1.0) -> Tensor:
    return (torch.randn(shape, generator=rng, device=rng.device) * spread).to(dtype)


def _grid(
    letters: str, fixed: tuple[tuple[int, ...], ...], most: tuple[int, ...]
) -> Callable[[int], Iterator[Sizes]]:
    """`fixed` sizes first, then without end sizes from 1 to below `most`."""

    def sizes(seed: int) -> Iterator[Sizes]:
        rng = torch.Generator().manual_seed(seed)
        yield from (dict(zip(letters, each, strict=True)) for each in fixed)
        while True:
            yield {
                letter: int(torch.randint(1, limit, (), generator=rng))
                for letter, limit in zip(letters, most, strict=True)
            }

    return sizes


# Fields: pairwise dot and factorisation machine


def _pairs(F: int) -> int:
    return F * (F - 1) // 2


def _fields(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
    return (_normal((sizes["B"], sizes["F"], sizes["D"]), dtype, rng),)


_FIELD_SIZES = _grid("BFD", ((0, 3, 4), (1, 2, 1), (2, 27, 16), (3, 33, 17), (5, 7, 100)), (7, 41, 70))
_DLRM = (
    Shape("dlrm-v1", {"B": 2048, "F": 27, "D": 128}, "MLPerf DLRM v1: 26 tables, a dense vector, width 128"),
    Shape("dlrm-dcnv2-batch", {"B": 8192, "F": 27, "D": 128}, "MLPerf DLRM-DCNv2, per GPU of 8"),
    Shape("criteo-kaggle", {"B": 2048, "F": 27, "D": 16}, "DLRM's Criteo Kaggle configuration"),
    Shape("small", {"B": 512, "F": 11, "D": 16}, "a model as small as this project trains on a CPU"),
)
_HUGECTR_FM = Shape("hugectr-fm", {"B": 4096, "F": 10, "D": 64}, "HugeCTR's test of its FM layer")

PAIRWISE_DOT = Operator(
    name="pairwise_dot",
    summary="dot products of every two different fields",
    inputs=("x",),
    differentiable=("x",),
    reference=reference.pairwise_dot,
    draw=_fields,
    flops=lambda s: (2 * s["B"] * _pairs(s["F"]) * s["D"], 4 * s["B"] * _pairs(s["F"]) * s["D"]),
    elements=lambda s: (
        s["B"] * (s["F"] * s["D"] + _pairs(s["F"])),
        s["B"] * (2 * s["F"] * s["D"] + _pairs(s["F"])),
    ),
    real=_DLRM,
    hidden=_FIELD_SIZES,
)

FM_SECOND_ORDER = Operator(
    name="fm_second_order",
    summary="sum of the dot products of every two different fields",
    inputs=("x",),
    differentiable=("x",),
    reference=reference.fm_second_order,
    draw=_fields,
    flops=lambda s: (s["B"] * s["D"] * (3 * s["F"] + 1), s["B"] * s["D"] * (3 * s["F"] - 1)),
    elements=lambda s: (s["B"] * (s["F"] * s["D"] + 1), s["B"] * (2 * s["F"] * s["D"] + 1)),
    real=(*_DLRM, _HUGECTR_FM),
    hidden=_FIELD_SIZES,
)


# Features: cross layers


def _rows(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """x0 and x, (B, K) each."""
    x0_BK, x_BK = (_normal((sizes["B"], sizes["K"]), dtype, rng) for _ in range(2))
    return x0_BK, x_BK


def _linear(outputs: int, inputs: int, dtype: torch.dtype, rng: torch.Generator) -> Tensor:
    """A weight that keeps the scale of what it multiplies."""
    return _normal((outputs, inputs), dtype, rng, inputs**-0.5)


def _full_rank(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
    K = sizes["K"]
    return *_rows(sizes, dtype, rng), _linear(K, K, dtype, rng), _normal((K,), dtype, rng)


def _low_rank(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
    K, R = sizes["K"], sizes["R"]
    factors = _linear(R, K, dtype, rng), _linear(K, R, dtype, rng)
    return *_rows(sizes, dtype, rng), *factors, _normal((K,), dtype, rng)


def _gated(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
    K = sizes["K"]
    paths = tuple(each for _ in range(2) for each in (_linear(K, K, dtype, rng), _normal((K,), dtype, rng)))
    return *_rows(sizes, dtype, rng), *paths


_FEATURE_SIZES = _grid("BK", ((0, 5), (1, 1), (2, 17), (5, 100), (33, 40), (131, 140)), (40, 140))
_CROSS = (
    Shape("dlrm-dcnv2", {"B": 8192, "K": 3456}, "MLPerf DLRM-DCNv2, per GPU of 8, at full rank"),
    Shape("criteo-kaggle", {"B": 2048, "K": 432}, "27 fields of DLRM's Criteo Kaggle, width 16"),
    Shape("small", {"B": 512, "K": 176}, "a model as small as this project trains on a CPU"),
)

DCN_V2_CROSS = Operator(
    name="dcn_v2_cross",
    summary="x0 * (W x + b) + x, a cross layer of full rank",
    inputs=("x0", "x", "weight", "bias"),
    differentiable=("x0", "x", "weight", "bias"),
    reference=reference.dcn_v2_cross,
    draw=_full_rank,
    flops=lambda s: (s["B"] * s["K"] * (2 * s["K"] + 3), s["B"] * s["K"] * (6 * s["K"] + 5)),
    elements=lambda s: (
        s["K"] * (3 * s["B"] + s["K"] + 1),
        s["K"] * (5 * s["B"] + 2 * s["K"] + 2),
    ),
    real=_CROSS,
    hidden=_FEATURE_SIZES,
)

DCN_V2_CROSS_LOW_RANK = Operator(
    name="dcn_v2_cross_low_rank",
    summary="x0 * (U (V x) + b) + x, a cross layer of low rank",
    inputs=("x0", "x", "v", "u", "bias"),
    differentiable=("x0", "x", "v", "u", "bias"),
    reference=reference.dcn_v2_cross_low_rank,
    draw=_low_rank,
    flops=lambda s: (s["B"] * s["K"] * (4 * s["R"] + 3), s["B"] * s["K"] * (12 * s["R"] + 5)),
    elements=lambda s: (
        s["K"] * (3 * s["B"] + 2 * s["R"] + 1),
        s["K"] * (5 * s["B"] + 4 * s["R"] + 2),
    ),
    real=(
        Shape("dlrm-dcnv2", {"B": 8192, "K": 3456, "R": 512}, "MLPerf DLRM-DCNv2, per GPU of 8; 3 layers"),
        Shape("criteo-kaggle", {"B": 2048, "K": 432, "R": 64}, "27 fields of DLRM's Criteo Kaggle, width 16"),
        Shape("small", {"B": 512, "K": 176, "R": 32}, "a model as small as this project trains on a CPU"),
    ),
    hidden=_grid(
        "BKR", ((0, 5, 2), (1, 1, 1), (2, 17, 3), (5, 100, 33), (33, 40, 17), (131, 140, 70)), (40, 140, 70)
    ),
)

GATED_CROSS = Operator(
    name="gated_cross",
    summary="x0 * (V x + b) * sigmoid(G x + c) + x, a cross layer with a gate",
    inputs=("x0", "x", "value", "value_bias", "gate", "gate_bias"),
    differentiable=("x0", "x", "value", "value_bias", "gate", "gate_bias"),
    reference=reference.gated_cross,
    draw=_gated,
    flops=lambda s: (s["B"] * s["K"] * (4 * s["K"] + 8), s["B"] * s["K"] * (12 * s["K"] + 16)),
    elements=lambda s: (
        s["K"] * (3 * s["B"] + 2 * s["K"] + 2),
        s["K"] * (5 * s["B"] + 4 * s["K"] + 4),
    ),
    real=_CROSS,
    hidden=_FEATURE_SIZES,
)


# Tables: pooled embedding bags and their dot products


def _bags(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
    """Tables of nearly equal height, N lookups dealt to the bags at random, so that some are empty."""
    B, T, D, V, N = (sizes[letter] for letter in "BTDVN")
    N = N if B * T else 0
    starts = torch.arange(T + 1, device=rng.device) * V // max(T, 1)
    bag_N = torch.randint(max(T * B, 1), (N,), generator=rng, device=rng.device).sort().values
    ends = torch.bincount(bag_N, minlength=T * B).cumsum(0) if T * B else starts[:0]
    heights_N = starts.diff()[bag_N // max(B, 1)]
    indices_N = (torch.rand(N, generator=rng, device=rng.device, dtype=torch.float64) * heights_N).long()
    bag_offsets = torch.cat((ends.new_zeros(1), ends))
    return _normal((B, D), dtype, rng), _normal((V, D), dtype, rng), starts[:-1], indices_N, bag_offsets


def _seen_rows(s: Sizes) -> int:
    """Rows that N uniform lookups touch at least once, in expectation."""
    return round(s["V"] * (1 - (1 - 1 / s["V"]) ** s["N"]))


def _bag_flops(s: Sizes) -> tuple[int, int]:
    pooling, dots = s["N"] * s["D"], s["B"] * _pairs(s["T"] + 1) * s["D"]
    return pooling + 2 * dots, 2 * pooling + 4 * dots


def _bag_elements(s: Sizes) -> tuple[int, int]:
    rows, pairs, dense = _seen_rows(s) * s["D"], s["B"] * _pairs(s["T"] + 1), s["B"] * s["D"]
    return dense + rows + pairs, 2 * dense + rows + pairs + s["V"] * s["D"]


def _bag_index_bytes(s: Sizes) -> tuple[int, int]:
    once = 8 * (s["N"] + s["T"] * s["B"] + 1 + s["T"])
    return once, once


EMBEDDING_BAG_DOT = Operator(
    name="embedding_bag_dot",
    summary="dot products of every two of a dense vector and summed embedding bags",
    inputs=("dense", "tables", "row_offsets", "indices", "bag_offsets"),
    differentiable=("dense", "tables"),
    reference=reference.embedding_bag_dot,
    draw=_bags,
    flops=_bag_flops,
    elements=_bag_elements,
    index_bytes=_bag_index_bytes,
    real=(
        Shape(
            "dlrm-v1",
            {"B": 2048, "T": 26, "D": 128, "V": 262_144, "N": 53_248},
            "MLPerf DLRM v1, one lookup a table; tables cut to 262,144 rows together",
        ),
        Shape(
            "dlrm-dcnv2",
            {"B": 8192, "T": 26, "D": 128, "V": 1_048_576, "N": 1_753_088},
            "MLPerf DLRM-DCNv2, per GPU of 8, 214 lookups a row; tables cut to 1,048,576 rows together",
        ),
        Shape(
            "criteo-kaggle",
            {"B": 2048, "T": 26, "D": 16, "V": 262_144, "N": 53_248},
            "DLRM's Criteo Kaggle configuration; tables cut to 262,144 rows together",
        ),
        Shape(
            "small",
            {"B": 512, "T": 10, "D": 16, "V": 4096, "N": 8192},
            "a model as small as this project trains on a CPU",
        ),
    ),
    hidden=_grid(
        "BTDVN",
        ((0, 2, 4, 5, 0), (1, 1, 1, 1, 3), (2, 26, 16, 90, 200), (3, 33, 17, 50, 60), (5, 6, 100, 9, 0)),
        (7, 40, 70, 300, 400),
    ),
)

OPERATORS: Mapping[str, Operator] = {
    each.name: each
    for each in (
        PAIRWISE_DOT,
        FM_SECOND_ORDER,
        DCN_V2_CROSS,
        DCN_V2_CROSS_LOW_RANK,
        GATED_CROSS,
        EMBEDDING_BAG_DOT,
    )
}
"""Every operator by its name."""
