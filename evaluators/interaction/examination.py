"""The examination: does a program have every property that a layer must have? No data is needed."""

from collections.abc import Callable

from ...population.verdict import Metric, Status, Verdict
from ..failure import Failed, require_finished
from ..properties import behaviour
from ..sandbox import Limits, Sandbox

INSIDE = "recevolve.evaluators.interaction.inside:examine"
LIMITS = Limits(cpu_seconds=10.0)
"""The CPU time after which an examination is killed lies above the budget at which it ends by itself."""


def examine_for(parameter_budget: float, flop_budget: float) -> Callable[[str, Sandbox], Verdict]:
    """`examine` under a budget in units of the dcn_v2 seed."""
    parameters = {"parameter_budget": parameter_budget, "flop_budget": flop_budget}

    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where every property holds, else INVALID with a counter-example."""
        outcome = sandbox.run(INSIDE, source, parameters=parameters, limits=LIMITS)
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

    return examine
