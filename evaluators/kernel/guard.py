"""Guardrails: what a kernel program takes besides time, from its binaries and its allocations."""

from ...population.values.verdict import Metric, Status, Verdict
from .estimates import Cost


def guard(cost: Cost) -> Verdict:
    """SCORED with `spill_bytes` a thread and `workspace_ratio`, lower is better.

    Spilled bytes are exact for the target. The ratio is of bytes that a call allocates beyond its outputs to
    those of its inputs and outputs.
    """
    metrics = {
        "spill_bytes": Metric(cost.most("spill_bytes")),
        "shared_bytes": Metric(cost.most("shared_bytes")),
        "workspace_ratio": Metric(cost.workspace),
    }
    return Verdict(Status.SCORED, Metric(0.0), metrics=metrics)
