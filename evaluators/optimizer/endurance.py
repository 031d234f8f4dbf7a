"""Endurance: what a promoted program must survive beyond its trainings, stepped or scored from outside."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from .horizon import RATES, REGIMES, SHAPE, Landscapes, Trail, survives
from .proxy import Race
from .sandboxed_steps import SandboxedSteps

WARM, EARLY = 8, 40
"""Steps before time is looked at, and the end of the first part: before the guardrail stops reading it."""
CHUNKS = 10
"""Further parts of the long horizon whose times are compared."""
SLOWER = 3.0
"""How many times as long a step of the slowest part may take as one of the fastest."""
LONGER = 10
"""The length of the long training, in lengths of the north star's."""
WORSE = 1.05
"""How much larger its training loss may be than after a tenth of it."""

Clock = Callable[[SandboxedSteps], float]


def audit_horizon(
    source: str, limits: Limits, sandbox: Sandbox, clock: Clock = SandboxedSteps.cpu_seconds
) -> None:
    """Steps the program through the whole long horizon, in all regimes at once; see `horizon`.

    Raises Failed, as INVALID where it does not survive, or where steps of one part take SLOWER times as long
    as those of another by `clock`: twice in a row, for a machine may be busy.
    """
    slowest: list[float] = []

    def walk(landscapes: Landscapes, rate: float) -> Trail:
        trail, chunks = _walk(source, landscapes, rate, limits, sandbox, clock)
        slowest.append(max(chunks) / max(min(chunks), 1e-9))
        return trail

    if wrong := survives(walk):
        raise Failed(Status.INVALID, f"long horizon: {wrong}")
    if slowest[0] > SLOWER:
        walk(Landscapes(REGIMES), RATES[0])
        if min(slowest[0], slowest[-1]) > SLOWER:
            raise Failed(
                Status.INVALID,
                f"long horizon: some steps take {slowest[-1]:.1f} times as long as others; at most "
                f"{SLOWER:g} times is allowed, whatever the step number",
            )


def _walk(
    source: str, landscapes: Landscapes, rate: float, limits: Limits, sandbox: Sandbox, clock: Clock
) -> tuple[Trail, list[float]]:
    """(the trail, the seconds of a step in each part of it); each landscape is a weight tensor."""
    trail, times, count = Trail(landscapes), [], len(landscapes.regimes)
    ends = [WARM, EARLY, *(landscapes.steps * part // CHUNKS for part in range(1, CHUNKS + 1))]
    with SandboxedSteps(sandbox, source, rate, [SHAPE] * count, limits) as steps:
        steps.params[:] = landscapes.start.ravel()  # tensors of SHAPE leave no gaps
        steps.begin(steps.params)
        trail.begin()
        begun, before = clock(steps), 0
        for step in range(1, landscapes.steps + 1):
            steps.grads = landscapes.gradients(steps.params.reshape(count, *SHAPE), step).ravel()
            steps.advance(step)
            trail.note(step, steps.params.reshape(count, *SHAPE), lambda: np.array_split(steps.state, count))
            if step in ends:
                now = clock(steps)
                times.append((now - begun) / (step - before))
                begun, before = now, step
    return trail, times[1:]


def audit_long_training(race: Race, source: str, rows: int, sandbox: Sandbox) -> None:
    """Trains LONGER times as long as the north star's `rows`: the loss on rows that it learns from must hold.

    Raises Failed, as INVALID where weights are not finite or the loss has grown.
    """
    setup, factor = race.setup, race.factor(source, sandbox)
    inputs, steps = setup.inputs("search", LONGER * rows, race.seed), -(-rows // setup.settings.batch)
    marks = (steps, -(-LONGER * rows // setup.settings.batch))
    patient = replace(setup, limits=replace(setup.limits, cpu_seconds=LONGER * setup.limits.cpu_seconds))
    (weights,), _ = patient.train_inside(source, [factor], inputs, marks, race.seed, sandbox)
    seen = np.unique(setup.order("search", rows, race.seed))[: setup.settings.evaluation_rows]
    early, late = (setup.loss_of(each, seen) for each in weights)
    if early is None or late is None:
        raise Failed(Status.INVALID, f"diverged in a training of {LONGER} times the length")
    if late > WORSE * early:
        raise Failed(
            Status.INVALID,
            f"in a training of {LONGER} times the length the loss on training rows rose from {early:.4f} to "
            f"{late:.4f}",
        )
