"""The north star: full trainings stepped from outside, on fresh seeds and users, and on a second log."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed
from ..sandbox import Sandbox
from . import audit
from .proxy import Race
from .sandboxed_steps import Stepper
from .setup import Arena, Score

SPLITS = ("selection", "claim")


@dataclass(frozen=True)
class Course:
    """One full training: `rows` rows from a random `share` of a split's, weights and order by `seed`."""

    arena: Arena
    split: str
    held_out: np.ndarray
    rows: int
    share: float
    seed: int

    @property
    def steps(self) -> int:
        """Optimizer steps from start to end."""
        return -(-self.rows // self.arena.batch)

    def stepper(self, source: str, factor: float, sandbox: Sandbox, record: Collection[int] = ()) -> Stepper:
        """A child that can be stepped over this course's weights, not yet begun."""
        return Stepper(sandbox, source, factor, self.arena.shapes(), self.arena.limits, record)

    def run(self, stepper: Stepper) -> Score:
        """The score on the fold's held-out users after training with a fresh `stepper`. Raises Failed."""
        order = self.arena.order(self.split, self.rows, self.seed, self.share)
        weights = self.arena.train_outside(order, self.seed, stepper)
        score = self.arena.score(weights, self.held_out)
        if score is None:
            raise Failed(Status.CRASHED, f"diverged at full length on {self.arena.log.name}")
        return score


@dataclass(frozen=True)
class NorthStar:
    """The slow score of a program at the learning-rate factor that the search split found best.

    `epochs` counts passes over the `subsample` of training rows that each fold draws; `transfer` is a race on
    another log with another ranker, whose held-out rows give the `transfer_` metrics.
    """

    race: Race
    epochs: float
    subsample: float
    seed: int
    transfer: Race | None

    def judge(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """SCORED with the negative log loss on the held-out users of `fold`, of `of`. Audits run with fold 0.

        Raises Failed, as CHEATED where an audit finds that the program is not what it seems.
        """
        if split not in SPLITS:
            raise ValueError(f"the north star is measured on one of {', '.join(SPLITS)}, got {split!r}")
        rng = np.random.Generator(np.random.Philox([self.seed, SPLITS.index(split), fold, of]))
        arena, factor = self.race.arena, self.race.factor(source, sandbox)
        rows = round(self.epochs * self.subsample * len(arena.splits[split].train))
        course = Course(
            arena, split, arena.fold(split, fold, of), rows, self.subsample, int(rng.integers(2**31))
        )
        if fold == 0:
            audit.trajectory(self.race, source, sandbox)
            score = self._audited(course, source, factor, rng, sandbox)
        else:
            with course.stepper(source, factor, sandbox) as stepper:
                score = course.run(stepper)
        metrics, facts = score.metrics(), {"lr_factor": factor}
        if self.transfer is not None:
            factor = facts["transfer_lr_factor"] = self.transfer.factor(source, sandbox)
            rows = self.transfer.rungs[-1][0]
            other = self.transfer.arena
            course = Course(other, split, other.fold(split, fold, of), rows, self.subsample, course.seed)
            with course.stepper(source, factor, sandbox) as stepper:
                metrics |= course.run(stepper).metrics("transfer_")
        main = Metric(-score.log_loss, score.error, score.rows)
        return Verdict(Status.SCORED, main, metrics=metrics, facts=facts)

    def _audited(
        self, course: Course, source: str, factor: float, rng: np.random.Generator, sandbox: Sandbox
    ) -> Score:
        """The score, once a fresh child has answered some of the training's steps alike."""
        record = rng.choice(course.steps, min(audit.SAMPLED, course.steps), replace=False) + 1
        with course.stepper(source, factor, sandbox, record) as stepper:
            score = course.run(stepper)
        with course.stepper(source, factor, sandbox) as fresh:
            fresh.begin(stepper.first)
            audit.memory(stepper.steps, fresh, rng)
        return score
