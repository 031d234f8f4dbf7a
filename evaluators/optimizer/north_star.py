"""The north star: full trainings stepped from outside, on fresh seeds and users, and on a second log.

Audits ask whether what a candidate does in training is what its text says, and nothing else.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...population.values.verdict import Status, Verdict
from ..ctr.setup import FullTrainings, Score, TrainingRun, verdict_of
from ..kinds.failure import Failed
from ..sandbox import Sandbox
from .proxy import Race
from .sandboxed_steps import SandboxedSteps, Step
from .setup import OptimizerSetup

Training = TrainingRun[OptimizerSetup]
TOLERANCE = 1e-5
"""Largest difference of a weight, in units of the largest weight. Both sides were bit-equal wherever it was
measured; the rest is for machines whose vector code treats memory at other addresses differently."""
SAMPLED = 24
"""Steps of a training that are shown again to a fresh child."""


@dataclass(frozen=True)
class NorthStar:
    """The slow score of a program at the learning-rate factor that the search split found best.

    `transfer` is a race on the second log, whose held-out rows give the `transfer_` metrics.
    """

    trainings: FullTrainings[OptimizerSetup]
    race: Race
    transfer: Race | None

    def judge(
        self, source: str, split: str, fold: int, of: int, sandbox: Sandbox, *, audited: bool
    ) -> Verdict:
        """SCORED with the negative log loss on the held-out users of `fold`, of `of`.

        Raises Failed, as CHEATED where an audit finds that the program is not what it seems.
        """
        training, further, rng = self.trainings.of_fold(split, fold, of)
        factor = self.race.factor(source, sandbox)
        if audited:
            audit_trajectory(self.race, source, sandbox)
            trained = _audited(training, source, factor, rng, sandbox)
        else:
            trained = _run(training, source, factor, sandbox)
        verdict = verdict_of(trained.score.metrics())
        facts = {"lr_factor": factor, "best_epochs": trained.best_epochs, "epochs": trained.epochs}
        metrics = verdict.metrics
        if self.transfer is not None and further is not None:
            factor = facts["transfer_lr_factor"] = self.transfer.factor(source, sandbox)
            metrics = {**metrics, **_run(further, source, factor, sandbox).score.metrics("transfer_")}
        return replace(verdict, metrics=metrics, facts=facts)


@dataclass(frozen=True)
class Trained:
    """The score of a training at its best checkpoint, after so many of its `epochs` passes."""

    score: Score
    best_epochs: float
    epochs: float


def _steps(
    training: Training, source: str, factor: float, sandbox: Sandbox, record: Collection[int] = ()
) -> SandboxedSteps:
    """A child that can be stepped over the training's weights, not yet begun."""
    return SandboxedSteps(sandbox, source, factor, training.setup.shapes(), training.setup.limits, record)


def _trained(training: Training, steps: SandboxedSteps) -> Trained:
    """A training with fresh `steps`, scored on the fold's held-out users. Raises Failed."""
    setup, marks, held_out = training.setup, training.marks, training.held_out
    weights = setup.train_outside(training.order, marks, training.seed, steps)
    best = setup.best_checkpoint(weights, held_out.choosing)
    score = setup.score_of(weights[best[0]], held_out.scoring) if best else None
    if best is None or score is None:
        raise Failed(Status.CRASHED, f"diverged at full length on {setup.log.name}")
    chosen, whole = (round(training.epochs(marks[which]), 3) for which in (best[0], -1))
    return Trained(score, chosen, whole)


def _run(training: Training, source: str, factor: float, sandbox: Sandbox) -> Trained:
    with _steps(training, source, factor, sandbox) as steps:
        return _trained(training, steps)


def _audited(
    training: Training, source: str, factor: float, rng: np.random.Generator, sandbox: Sandbox
) -> Trained:
    """The training, once a fresh child has answered some of the training's steps alike."""
    with _steps(training, source, factor, sandbox, training.sampled(rng, SAMPLED)) as steps:
        trained = _trained(training, steps)
    with _steps(training, source, factor, sandbox) as fresh:
        fresh.begin(steps.first)
        audit_memory(steps.steps, fresh, rng)
    return trained


def audit_trajectory(race: Race, source: str, sandbox: Sandbox) -> None:
    """Repeats each rung as it was run, and steps its best rate from outside: the weights must be the same.

    Catches more steps than were asked for, other data, another loss: anything but the update rule. Raises
    Failed, as CHEATED where weights differ.
    """
    setup = race.setup
    for rung in range(len(race.rungs)):
        rows, found = race.rows(rung), race.run(source, rung, sandbox)
        factors = [factor for factor, _ in found.losses]
        best, marks = factors.index(found.ranked[0]), setup.marks(rows)
        inside, _ = setup.train_inside(source, factors, race.inputs(rung), marks, race.seed, sandbox)
        order = setup.order("search", rows, race.seed)
        with SandboxedSteps(sandbox, source, factors[best], setup.shapes(), setup.limits) as steps:
            outside = setup.train_outside(order, marks, race.seed, steps)
        gap = float(np.abs(inside[best] - outside).max())
        if not gap <= TOLERANCE * float(np.abs(outside).max()):
            raise Failed(
                Status.CHEATED,
                f"the weights it returned after {rows:,} rows differ by up to {gap:.3g} from those that its "
                "update rule leads to when it is stepped from outside",
            )


def audit_memory(steps: Sequence[Step], fresh: SandboxedSteps, rng: np.random.Generator) -> None:
    """Shows recorded steps in another order to a fresh child, which must answer with the same bits.

    Catches what is kept between calls: counters, gradients seen, clocks. `fresh` has begun and is used up.
    What happens at none of the recorded steps stays unseen. Raises Failed, as CHEATED where bits differ.
    """
    for index in rng.permutation(len(steps)):
        if not fresh.show(steps[index]):
            raise Failed(
                Status.CHEATED,
                f"step {steps[index].number} gave another result when the same gradient and state were shown "
                "in another order: it keeps something between calls, or guesses",
            )
