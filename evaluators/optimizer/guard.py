"""Guardrails: what a step of the exported optimizer takes in time, memory and state, as ratios to Adam."""

from collections.abc import Sequence
from pathlib import Path

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Limits, Sandbox
from .patch.trial import ADAM, Clock, ExportedSteps, costs
from .sandboxed_steps import state_size

REFERENCE = Path(__file__).with_name("seeds") / "adam.py"


def guard(
    source: str,
    shapes: Sequence[tuple[int, ...]],
    steps: int,
    limits: Limits,
    sandbox: Sandbox,
    clock: Clock = ExportedSteps.cpu_seconds,
) -> Verdict:
    """SCORED with ratios to Adam, lower is better: the worse one of many small tensors and one large table.

    `peak_memory_ratio` (bytes that a step holds on the way) and, among the timings, `step_time_ratio` compare
    the exported class with `torch.optim.Adam(foreach=True)`. `state_memory_ratio` counts the numbers kept for
    weights of `shapes`. A step's time is the CPU time of the child as `clock` reads it, waking included, and
    the median counts. Raises Failed.
    """
    reference = REFERENCE.read_text(encoding="utf-8")
    state = [state_size(sandbox, each, shapes, limits) for each in (source, reference)]
    found = costs(source, (ADAM,), steps, limits, sandbox, clock)
    worst = max(found.values(), key=lambda row: row[""].seconds / row[ADAM].seconds)
    memory = max(row[""].temporaries / row[ADAM].temporaries for row in found.values())
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        metrics={"state_memory_ratio": Metric(state[0] / state[1]), "peak_memory_ratio": Metric(memory)},
        timings={
            "step_time_ratio": worst[""].seconds / worst[ADAM].seconds,
            "step_seconds": worst[""].seconds,
            "adam_step_seconds": worst[ADAM].seconds,
        },
    )
