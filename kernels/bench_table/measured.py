"""The benchmark's rows where there is a GPU: live programs in a comparison with the baselines."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..gate.accuracy import Inputs
from ..gate.report import DIRECTIONS
from ..gate.results import tensors
from ..operators import Operator, Shape
from ..timing.clock import ROUNDS
from ..timing.comparison import Comparison, Gpu
from ..timing.cuda_graphs import Build
from ..timing.replay import LaunchRefused
from .rows import PREVIOUS, Row, measured

_HOST_CALLS = 50


@dataclass
class Live:
    """A program's function on one set of inputs, for backward with the gradient last."""

    function: Callable[..., Any]
    direction: str
    inputs: Sequence[Tensor]
    outputs: tuple[Tensor, ...] = field(default=())

    def __call__(self) -> object:
        given = (self.inputs[-1], *self.inputs[:-1]) if self.direction == "backward" else self.inputs
        self.outputs = tensors(self.function(*given), "backward")
        return self.outputs

    def poison(self) -> None:
        for tensor in self.outputs:
            tensor.fill_(float("nan"))


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

        def subject(inputs: Inputs, direction: str = direction) -> Live:
            return Live(program[direction], direction, inputs)

        comparison = Comparison(operator, shape.sizes, dtype, direction, gpu, seed, subject)
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


def _others(
    previous: Mapping[str, Any] | None, direction: str, sets: Sequence[Inputs]
) -> dict[str, Sequence[Build]]:
    if previous is None:
        return {}
    return {PREVIOUS: [lambda inputs=inputs: Live(previous[direction], direction, inputs) for inputs in sets]}  # type: ignore[misc]


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
