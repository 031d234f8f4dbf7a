"""The examination: does a program have every property that its kind asks for? No data is needed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Limits, Sandbox
from .failure import Failed, judged, require_finished
from .properties import FACT, behaviour

LIMITS = Limits(cpu_seconds=10.0)
"""The CPU time after which an examination is killed lies above the budget at which it ends by itself."""


def examiner(
    runner: str,
    parameters: Mapping[str, Any],
    fingerprint: Callable[[Mapping[str, np.ndarray]], str] = behaviour,
) -> Callable[[str, Sandbox], Verdict]:
    """The `examine` of a kind whose runner returns a probe's outputs, or in text what is wrong.

    `fingerprint` tells the behaviour from the outputs; it raises Failed where they have the wrong form.
    """

    @judged
    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where every property holds, else INVALID with a counter-example."""
        outcome = sandbox.run(runner, source, parameters=parameters, limits=LIMITS)
        require_finished(outcome, "being examined")
        if outcome.text or not outcome.arrays:
            raise Failed(Status.INVALID, outcome.text or "it returned no answers to the probe")
        probed = {name: array for name, array in outcome.arrays.items() if not name.startswith(FACT)}
        facts = {
            name.removeprefix(FACT): float(array.flat[0])
            for name, array in outcome.arrays.items()
            if name.startswith(FACT) and array.size == 1
        }
        return Verdict(
            Status.SCORED,
            Metric(0.0),
            facts={"behaviour": fingerprint(probed), **facts},
            timings={"cpu_seconds": outcome.cpu_seconds},
        )

    return examine
