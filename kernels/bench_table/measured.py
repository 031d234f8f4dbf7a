"""The benchmark's rows where there is a GPU: live programs in a comparison with the baselines."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from ..gate.accuracy import Inputs
from ..gate.report import DIRECTIONS
from ..gate.results import tensors
from ..operators import Operator, Shape
from ..timing.clock import ROUNDS
from ..timing.comparison import Comparison, Gpu
from ..timing.cuda import LaunchRefused
from ..timing.cuda_graphs import Build
from ..timing.replay import Attempt
from .rows import PREVIOUS, Row, measured

_HOST_CALLS = 50


def rows(
    operator: Operator,
    program: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    shape: Shape,
    dtype: torch.dtype,
    gpu: Gpu,
    seed: int,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Row]:
    """One row a direction. Outputs at this very shape must be right before and after; else the row is red.

    `clock` is the host's, for calls with Python's own work included.
    """
    result = []
    for direction in DIRECTIONS:
        name = (operator.name, shape.name, str(dtype).removeprefix("torch."), direction)

        comparison = Comparison(
            operator, shape.sizes, dtype, direction, gpu, seed, partial(_live, program[direction], direction)
        )
        wrong = next(comparison.wrong(comparison.call), None)
        if wrong is None:
            try:
                timing, again = comparison.time(rounds, _others(previous, direction, comparison.sets))
            except LaunchRefused as refusal:
                wrong = f"it cannot be captured in a graph: {refusal}"
            else:
                wrong = next(comparison.wrong(again), None)
        if wrong is not None:
            result.append(Row(*name, "red", note=wrong))
            continue
        result.append(measured(name, timing, _with_host(comparison, clock)))
    return result


def _live(function: Callable[..., Any], direction: str, inputs: Inputs) -> Attempt:
    """A program's function on one set of inputs, for backward with the gradient last."""
    given = (inputs[-1], *inputs[:-1]) if direction == "backward" else inputs
    return Attempt(inputs, lambda: tensors(function(*given), "backward"))


def _others(
    previous: Mapping[str, Any] | None, direction: str, sets: Sequence[Inputs]
) -> dict[str, Sequence[Build]]:
    if previous is None:
        return {}
    return {PREVIOUS: [partial(_live, previous[direction], direction, inputs) for inputs in sets]}


def _with_host(comparison: Comparison, clock: Callable[[], float]) -> float:
    """Seconds of a call from Python, until the device is done: the median of 50, warm."""
    taken = []
    for index in range(_HOST_CALLS):
        call = comparison.attempts[index % len(comparison.attempts)]
        torch.cuda.synchronize()
        began = clock()
        call()
        torch.cuda.synchronize()
        taken.append(clock() - began)
    return sorted(taken)[_HOST_CALLS // 2]
