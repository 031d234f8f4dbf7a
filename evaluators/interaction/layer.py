"""A candidate as a layer: its parameters made anew, and what is counted about them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .reference_cost import Yardstick

FORWARD, WITH_GRAPH, BACKWARD = range(3)
TURNS = 3
"""A turn of a session has the number rows * TURNS + what to do."""


def begin(namespace: Mapping[str, Any], fields: int, dim: int, seed: int) -> dict[str, Tensor]:
    """First parameters by name, a function of the arguments: torch's generator is seeded, and put back."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed touches every backend: 500 page faults
    try:
        params = namespace["init"](fields, dim, dict(namespace["HYPERPARAMETERS"]))
        return {name: value.detach().clone() for name, value in params.items()}
    finally:
        torch.set_rng_state(before)


def size_of(params: Mapping[str, Tensor], outputs: int) -> int:
    """Trained numbers: the parameters, and one weight of the logit for each output."""
    return sum(value.numel() for value in params.values()) + outputs


def over_budget(size: int, flops: float, yardstick: Yardstick, parameters: float, operations: float) -> str:
    """What is more than the budget allows, in a sentence; empty where nothing is."""
    if size > (most := parameters * yardstick.parameters):
        return (
            f"it has {size:,} numbers to train, one per output included, at {yardstick.words}; at most "
            f"{int(most):,} are allowed, {parameters:g} times those of the dcn_v2 seed"
        )
    if flops > (most := operations * yardstick.flops):
        return (
            f"it takes {flops:,.0f} operations per row at {yardstick.words}; at most {int(most):,} are "
            f"allowed, {operations:g} times those of the dcn_v2 seed"
        )
    return ""
