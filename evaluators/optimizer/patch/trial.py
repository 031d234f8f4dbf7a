"""The trial of a patch: what the exported optimizer takes, in the sandbox, beside optimizers of torch."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import numpy as np

from ....population.values.verdict import Metric, Status, Verdict
from ...kinds.failure import Failed, Sandboxed, judged, require_finished, step
from ...kinds.task import Winner
from ...kinds.timing import WARM_UP
from ...sandbox import Limits, Sandbox
from .benchmark import REFERENCES, STEPS, WORKLOADS
from .export import export

STEPPED = "recevolve.evaluators.optimizer.patch.inside:stepped"
ROWS_STAY = "recevolve.evaluators.optimizer.patch.inside:rows_stay"
ADAM = next(iter(REFERENCES))
MOST = 2**33
"""Bytes of temporaries that a child may say it holds."""


@dataclass(frozen=True)
class Cost:
    """What a step over one workload takes: the median of its seconds, and bytes of temporaries."""

    seconds: float
    temporaries: int


class ExportedSteps(Sandboxed):
    """An exported optimizer, or one of torch, in the sandbox: it makes a step when it is asked to."""

    def __init__(self, sandbox: Sandbox, module: str, name: str, workload: str, limits: Limits) -> None:
        parameters = {"name": name, "workload": workload}
        shared = {"temporaries": ("int64", (1,))}
        self.session = sandbox.session(STEPPED, module, parameters=parameters, shared=shared, limits=limits)

    def advance(self, number: int) -> None:
        """Makes step `number`, from 1. Raises Failed."""
        step(self.session, number, f"making step {number}", f"before step {number}")

    def temporaries(self) -> int:
        """The bytes that the child says a step holds on the way. Raises Failed where that cannot be."""
        found = int(self.session.arrays["temporaries"][0])
        if not 0 <= found < MOST:
            raise Failed(Status.CRASHED, "tampered with the memory that it takes")
        return found


Clock = Callable[[ExportedSteps], float]


def costs(
    source: str,
    others: tuple[str, ...],
    steps: int,
    limits: Limits,
    sandbox: Sandbox,
    clock: Clock = ExportedSteps.cpu_seconds,
) -> dict[str, dict[str, Cost]]:
    """By workload, the cost of the exported program (under "") and of `others`, names of REFERENCES.

    They take turns, and seconds are the child's CPU time as `clock` reads it from outside. Raises Failed.
    """
    try:
        module = export(Winner("candidate", source, {}))["candidate.py"]
    except ValueError as refused:
        raise Failed(Status.INVALID, f"it cannot be exported: {refused}") from None
    return {
        workload: _in_turn({"": module, **dict.fromkeys(others, "")}, workload, steps, limits, sandbox, clock)
        for workload in WORKLOADS
    }


def _in_turn(
    modules: Mapping[str, str], workload: str, steps: int, limits: Limits, sandbox: Sandbox, clock: Clock
) -> dict[str, Cost]:
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(ExportedSteps(sandbox, module, name or "Candidate", workload, limits))
            for name, module in modules.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in children}
        for number in range(1, WARM_UP + steps + 1):
            for name, child in children.items():
                begin = clock(child)
                child.advance(number)
                taken[name].append(clock(child) - begin)
        return {
            name: Cost(median(taken[name][WARM_UP:]), child.temporaries()) for name, child in children.items()
        }


def rows_stay(source: str, limits: Limits, sandbox: Sandbox) -> bool:
    """Whether rows whose gradient is zero keep weights and state. Raises Failed."""
    outcome = sandbox.run(ROWS_STAY, source, limits=limits)
    require_finished(outcome, "stepping rows without a gradient")
    stay = outcome.arrays.get("stay")
    if stay is None or stay.dtype != np.bool_ or stay.shape != (1,):
        raise Failed(Status.CRASHED, "tampered with the answer on rows without a gradient")
    return bool(stay[0])


@judged
def trial(source: str, sandbox: Sandbox) -> Verdict:
    """SCORED 0 with what an export tells of the patch: the fact `rows_stay`, and the costs of all workloads.

    Timings and metrics are named "WORKLOAD: NAME", with nothing after the colon for the program itself.
    """
    limits = Limits(cpu_seconds=60.0)
    found = costs(source, tuple(REFERENCES), STEPS, limits, sandbox)
    named = {f"{workload}: {name}": cost for workload, row in found.items() for name, cost in row.items()}
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        facts={"rows_stay": rows_stay(source, limits, sandbox)},
        metrics={name: Metric(float(cost.temporaries)) for name, cost in named.items()},
        timings={name: cost.seconds for name, cost in named.items()},
    )
