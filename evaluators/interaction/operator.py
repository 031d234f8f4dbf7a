"""An interaction layer as an operator of the kernel library: what its kernels are measured against."""

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from ...kernels.operators import PAIRWISE_DOT, Operator, Sizes
from ..language.canonical import canonical
from ..language.static import check
from ..sandbox.inside import load
from .inside import begin
from .language import RULES
from .meter import Meter

SHIFT = 0.1
"""Standard deviation of what is added to first parameters: ones, zeros and identities hide deleted terms."""
COUNTED = 2
"""Rows of the call by which work is counted."""


def operator_of(name: str, source: str) -> Operator:
    """The layer as an operator with inputs x and its parameters, all differentiable, at pairwise dot's sizes.

    The program is run in this process: it must obey the rules of the language, else ValueError, and it is run
    as its reference, so call this in the sandbox where the program is not one that you have read. Backward
    counts twice the operations of forward, which is what two products for each one take.
    """
    if problems := check(source, RULES):
        raise ValueError(f"{name} is no interaction layer: {problems[0]}")
    namespace = load(canonical(source))
    hp: Mapping[str, float] = namespace["HYPERPARAMETERS"]
    names = tuple(begin(namespace, 3, 4, 0))

    def reference(x_BFD: Tensor, *params: Tensor) -> Tensor:
        out: Tensor = namespace["interact"](x_BFD, dict(zip(names, params, strict=True)), dict(hp))
        return out

    def draw(sizes: Sizes, dtype: torch.dtype, rng: torch.Generator) -> tuple[Tensor, ...]:
        def normal(shape: tuple[int, ...]) -> Tensor:
            return torch.randn(shape, generator=rng, device=rng.device)

        seed = int(torch.randint(2**31, (), generator=rng, device=rng.device))
        first = begin(namespace, sizes["F"], sizes["D"], seed)
        params = (value.to(rng.device) + SHIFT * normal(tuple(value.shape)) for value in first.values())
        given = (normal((sizes["B"], sizes["F"], sizes["D"])), *params)
        return tuple(value.to(dtype) for value in given)

    @lru_cache(maxsize=64)
    def costs(fields: int, dim: int) -> tuple[int, int, int]:
        """(operations per row, numbers in parameters, outputs)"""
        rng = torch.Generator().manual_seed(0)
        x_BFD, *params = draw({"B": COUNTED, "F": fields, "D": dim}, torch.float32, rng)
        with torch.no_grad(), Meter((x_BFD, *params)) as meter:
            out = reference(x_BFD, *params)
        return meter.flops // COUNTED, sum(value.numel() for value in params), out.shape[1]

    def flops(sizes: Sizes) -> tuple[int, int]:
        forward = sizes["B"] * costs(sizes["F"], sizes["D"])[0]
        return forward, 2 * forward

    def elements(sizes: Sizes) -> tuple[int, int]:
        _, params, outputs = costs(sizes["F"], sizes["D"])
        rows, width = sizes["B"], sizes["F"] * sizes["D"]
        return rows * (width + outputs) + params, rows * (2 * width + outputs) + 2 * params

    return Operator(
        name=name,
        summary="an interaction layer that a search found",
        inputs=("x", *names),
        differentiable=("x", *names),
        reference=reference,
        draw=draw,
        flops=flops,
        elements=elements,
        real=PAIRWISE_DOT.real,
        hidden=PAIRWISE_DOT.hidden,
    )
