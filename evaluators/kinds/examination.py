"""The verdict of an examination, for kinds whose runner answers with a probe or with what is wrong."""

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Outcome
from .failure import Failed, require_finished
from .properties import behaviour


def verdict_of(outcome: Outcome) -> Verdict:
    """SCORED 0 with facts['behaviour'] where every property holds, else INVALID with a counter-example."""
    try:
        require_finished(outcome, "being examined")
    except Failed as failed:
        return failed.verdict
    if outcome.text or not outcome.arrays:
        return Verdict(Status.INVALID, reason=outcome.text or "it returned no answers to the probe")
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        facts={"behaviour": behaviour(outcome.arrays)},
        timings={"cpu_seconds": outcome.cpu_seconds},
    )
