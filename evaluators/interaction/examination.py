"""The examination: does a program have every property that a layer must have? No data is needed."""

from collections.abc import Callable

from ...population.values.verdict import Verdict
from ..kinds.examination import verdict_of
from ..sandbox import Limits, Sandbox

INSIDE = "recevolve.evaluators.interaction.inside:examine"
LIMITS = Limits(cpu_seconds=10.0)
"""The CPU time after which an examination is killed lies above the budget at which it ends by itself."""


def examine_for(parameter_budget: float, flop_budget: float) -> Callable[[str, Sandbox], Verdict]:
    """`examine` under a budget in units of the dcn_v2 seed."""
    parameters = {"parameter_budget": parameter_budget, "flop_budget": flop_budget}

    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where every property holds, else INVALID with a counter-example."""
        return verdict_of(sandbox.run(INSIDE, source, parameters=parameters, limits=LIMITS))

    return examine
