"""Step length: how far a rule moves weights. Rules are compared at matched steps, and not at their `lr`.

Whoever multiplies the gradient, or the rate, or a correction by a constant gets the same steps as before: no
factor is an invention. torch is imported where it is used, as in `properties`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

STANDARD = 0.005
"""Root mean square of a step, per weight, at factor 1: the middle of what suits known methods, whose best
rates on the logs at hand make steps of 0.001 to 0.017."""
STEPS = 60
FIRST = 15
"""Steps that do not count: averages fill, biases are corrected."""
GRADIENT = 1e-3
"""Size of a gradient, as a ranking model shows it to a row that the batch holds."""
SHAPES = (((6, 4), 1.0), ((40, 8), 0.1))
"""Shapes with the share of rows that a step has a gradient for: a layer, an embedding table."""
CLOSE = 1e-7
TRIES = 12
MOST = 1e9
"""Largest factor, and one over the smallest."""


def step_length(namespace: Mapping[str, Any], factor: float) -> float:
    """Root mean square over weights and steps of what the program adds to the weights; NaN where it breaks.

    Gradients are fixed: noise around a mean of half its size. They do not depend on the weights, so that a
    step which is linear in the rate gives a length that is linear in it.
    """
    import torch

    hp = dict(namespace["HYPERPARAMETERS"])
    hp["lr"] *= factor
    rng = torch.Generator().manual_seed(0)
    squares = []
    for shape, share in SHAPES:
        param = 0.05 * torch.randn(shape, generator=rng)
        mean = 0.5 * torch.randn(shape, generator=rng)
        state: dict[str, Tensor] = namespace["init"](param)
        for step in range(1, STEPS + 1):
            grad = GRADIENT * (mean + torch.randn(shape, generator=rng))
            grad = grad * (torch.rand((shape[0], 1), generator=rng) < share)
            new, state = namespace["update"](grad, state, param, step, dict(hp))
            if step > FIRST:
                squares.append(float((new - param).double().square().mean()))
            param = new
    return math.sqrt(sum(squares) / len(squares)) if math.isfinite(sum(squares)) else math.nan


def matched_factor(namespace: Mapping[str, Any]) -> float:
    """The multiple of the program's own `lr` at which its steps are STANDARD long.

    1 where no rate gives such steps: the program then stands at its own.
    """
    factor = 1.0
    for _ in range(TRIES):
        length = step_length(namespace, factor)
        if not (math.isfinite(length) and length > 0.0):
            return 1.0
        factor *= STANDARD / length
        if not 1.0 / MOST < factor < MOST:
            return 1.0
        if abs(length / STANDARD - 1.0) < CLOSE:
            break
    return factor
