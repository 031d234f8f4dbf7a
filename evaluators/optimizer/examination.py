"""The examination: does a program have every property that an optimizer must have? No data is needed."""

from ...population.values.verdict import Verdict
from ..kinds.examination import verdict_of
from ..sandbox import Limits, Sandbox

INSIDE = "recevolve.evaluators.kinds.properties:inside"
PROPERTIES = "recevolve.evaluators.optimizer.properties"
LIMITS = Limits(cpu_seconds=10.0)
"""The CPU time after which an examination is killed lies above the budget at which it ends by itself."""


def examine(source: str, sandbox: Sandbox) -> Verdict:
    """SCORED 0 with facts['behaviour'] where every property holds, else INVALID with a counter-example."""
    return verdict_of(sandbox.run(INSIDE, source, parameters={"task": PROPERTIES}, limits=LIMITS))
