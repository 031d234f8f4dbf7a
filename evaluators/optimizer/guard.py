"""Guardrails: what a step costs in time and in state, as ratios to Adam over the ranker's own tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.timing import in_turn
from ..sandbox import Limits, Sandbox
from .sandboxed_steps import SandboxedSteps

REFERENCE = Path(__file__).with_name("seeds") / "adam.py"


def guard(
    source: str,
    shapes: Sequence[tuple[int, ...]],
    steps: int,
    limits: Limits,
    sandbox: Sandbox,
    clock: Callable[[SandboxedSteps], float] = SandboxedSteps.cpu_seconds,
) -> Verdict:
    """SCORED with the ratios to Adam, lower is better: `state_memory_ratio`, and among the timings
    `step_time_ratio`.

    A step's time is the CPU time of the child as `clock` reads it, waking and copying included; the ratio is
    that of the medians. Raises Failed.
    """
    rng = np.random.Generator(np.random.Philox(0))
    reference = REFERENCE.read_text(encoding="utf-8")
    with (
        SandboxedSteps(sandbox, source, 1.0, shapes, limits) as candidate,
        SandboxedSteps(sandbox, reference, 1.0, shapes, limits) as adam,
    ):
        size = candidate.layout.size
        params = rng.normal(0, 0.1, size).astype(np.float32)
        for each in (candidate, adam):
            each.begin(params)
            each.params = params

        def gradients() -> np.ndarray:
            return rng.normal(0, 0.01, size).astype(np.float32)

        def advance(which: SandboxedSteps, grads: np.ndarray, number: int) -> None:
            which.grads = grads
            which.advance(number)

        mine, adams = in_turn(candidate, adam, gradients, advance, clock, steps)
        memory = len(candidate.state) / len(adam.state)
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        metrics={"state_memory_ratio": Metric(memory)},
        timings={"step_time_ratio": mine / adams, "step_seconds": mine, "adam_step_seconds": adams},
    )
