"""The benchmark's rows where there is no GPU: static estimates of recorded launches."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..estimate.calibration import Calibration
from ..estimate.cost import Estimate, estimate
from ..estimate.device import H100
from ..estimate.roofline import work
from ..gate.report import DIRECTIONS
from ..gate.results import tensors
from ..operators import Operator, Shape
from ..record.compiling import SM_90
from ..record.launch_record import Launch
from ..record.launches import offline
from .rows import PREVIOUS, Row

_PROGRAMS = 4
"""Programs of a launch that are interpreted; the others are taken to be like them."""


def estimates(
    operator: Operator,
    program: Mapping[str, Any],
    shape: Shape,
    dtype: torch.dtype,
    calibration: Calibration | None = None,
) -> dict[str, Estimate]:
    """By direction, what `program` would take on an H100 at a real shape: nothing but estimates."""
    inputs = operator.draw(shape.sizes, dtype, torch.Generator().manual_seed(0))
    forward, output = _launches(program["forward"], inputs)
    backward, _ = _launches(program["backward"], (torch.ones_like(output), *inputs))
    recorded = {"forward": forward, "backward": backward}
    works = dict(zip(DIRECTIONS, work(operator, shape.sizes, dtype), strict=True))
    return {
        direction: estimate(recorded[direction], H100, calibration, [works[direction]])
        for direction in DIRECTIONS
    }


def _launches(function: Any, given: tuple[Tensor, ...]) -> tuple[list[Launch], Tensor]:
    with offline(SM_90, execute="sample", programs=_PROGRAMS) as recorder:
        result = function(*given)
    return recorder.launches, tensors(result, "backward")[0]


def rows(
    operator: Operator,
    program: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    shape: Shape,
    dtype: torch.dtype,
    calibration: Calibration | None = None,
) -> list[Row]:
    """One row a direction; `previous` is the program that came before, if any did."""
    found = estimates(operator, program, shape, dtype, calibration)
    before = estimates(operator, previous, shape, dtype, calibration) if previous else {}
    result = []
    for direction, each in found.items():
        name = (operator.name, shape.name, str(dtype).removeprefix("torch."), direction)
        ratios = {}
        if direction in before:
            ratios[PREVIOUS] = f"{before[direction].seconds / each.seconds:.2f}x (estimates)"
        note = f"bound by {each.bound}, {each.trust}"
        result.append(Row(*name, "estimate", each.seconds, each.share, each.bound, ratios, note=note))
    return result
