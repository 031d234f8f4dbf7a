"""Guardrails: what a step costs in time and in state, as ratios to Adam over the ranker's own tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Limits, Sandbox
from .sandboxed_steps import Stepper

REFERENCE = Path(__file__).with_name("seeds") / "adam.py"
WARM_UP = 5
"""Steps of each before the clock counts."""


def guard(
    source: str,
    shapes: Sequence[tuple[int, ...]],
    steps: int,
    limits: Limits,
    sandbox: Sandbox,
    clock: Callable[[Stepper], float] = Stepper.cpu_seconds,
) -> Verdict:
    """SCORED with the ratios to Adam, lower is better: `state_memory_ratio`, and among the timings
    `step_time_ratio`.

    Both are stepped in turn, so that a busy machine slows both. A step's time is the CPU time of the child as
    `clock` reads it, waking and copying included; the ratio is that of the medians. Raises Failed.
    """
    rng = np.random.Generator(np.random.Philox(0))
    reference = REFERENCE.read_text(encoding="utf-8")
    seconds: tuple[list[float], list[float]] = ([], [])
    with (
        Stepper(sandbox, source, 1.0, shapes, limits) as candidate,
        Stepper(sandbox, reference, 1.0, shapes, limits) as adam,
    ):
        size = candidate.layout.size
        params = rng.normal(0, 0.1, size).astype(np.float32)
        for stepper in (candidate, adam):
            stepper.begin(params)
            stepper.params = params
        for number in range(1, WARM_UP + steps + 1):
            grads = rng.normal(0, 0.01, size).astype(np.float32)
            for stepper, readings in zip((candidate, adam), seconds, strict=True):
                stepper.grads = grads
                begin = clock(stepper)
                stepper.advance(number)
                readings.append(clock(stepper) - begin)
        memory = len(candidate.state) / len(adam.state)
    mine, adams = (median(readings[WARM_UP:]) for readings in seconds)
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        metrics={"state_memory_ratio": Metric(memory)},
        timings={"step_time_ratio": mine / adams, "step_seconds": mine, "adam_step_seconds": adams},
    )
