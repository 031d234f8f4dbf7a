"""The north star: full trainings on fresh seeds and users, and on a second log with another model."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Sandbox
from . import audit
from .sandboxed_layer import Call
from .setup import Arena, Run

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
        """Training steps from start to end."""
        return -(-self.rows // self.arena.batch)

    def run(self, source: str, sandbox: Sandbox) -> Run:
        """The training, with a fresh child. Raises Failed."""
        return self.recorded(source, sandbox, ())[0]

    def recorded(self, source: str, sandbox: Sandbox, record: Collection[int]) -> tuple[Run, list[Call]]:
        """The training, and its steps numbered in `record`."""
        arena = self.arena
        layer = arena.layer(source, self.seed, sandbox)
        order = arena.order(self.split, self.rows, self.seed, self.share)
        with arena.behind(source, layer, sandbox, record) as behind:
            return arena.run(layer, behind, order, self.held_out, self.seed), behind.calls


@dataclass(frozen=True)
class NorthStar:
    """The slow score of a layer. `epochs` counts passes over the `subsample` of rows that each fold draws.

    `transfer` is another log with the other model, whose held-out rows give the `transfer_` metrics after
    `transfer_rows` rows.
    """

    arena: Arena
    epochs: float
    subsample: float
    seed: int
    transfer: Arena | None
    transfer_rows: int

    def judge(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """SCORED with the negative log loss on the held-out users of `fold`, of `of`. Audits run with fold 0.

        facts["units"] has the negative loss of each user, whose mean is the score. Raises Failed, as CHEATED
        where an audit finds that the layer is not what it seems.
        """
        if split not in SPLITS:
            raise ValueError(f"the north star is measured on one of {', '.join(SPLITS)}, got {split!r}")
        rng = np.random.Generator(np.random.Philox([self.seed, SPLITS.index(split), fold, of]))
        arena, seed = self.arena, int(rng.integers(2**31))
        rows = max(1, round(self.epochs * self.subsample * len(arena.splits[split].train)))
        course = Course(arena, split, arena.fold(split, fold, of), rows, self.subsample, seed)
        run = course.run(source, sandbox) if fold else self._audited(course, source, rng, sandbox)
        metrics = run.score.metrics()
        if self.transfer is not None:
            other = self.transfer
            held_out = other.fold(split, fold, of)
            course = Course(other, split, held_out, self.transfer_rows, self.subsample, seed)
            metrics |= course.run(source, sandbox).score.metrics("transfer_")
        loss = run.score.log_loss
        main = Metric(-loss.value, loss.spread, loss.count)
        return Verdict(Status.SCORED, main, metrics=metrics, facts={"units": run.score.units()})

    def _audited(self, course: Course, source: str, rng: np.random.Generator, sandbox: Sandbox) -> Run:
        """The training, once a fresh child has answered some of its steps and its held-out rows alike."""
        record = rng.choice(course.steps, min(audit.SAMPLED, course.steps), replace=False) + 1
        run, calls = course.recorded(source, sandbox, frozenset(map(int, record)))
        with course.arena.behind(source, run.layer, sandbox) as fresh:
            audit.memory(calls, fresh, rng)
            audit.rows(course.arena, run, course.held_out, fresh, rng)
        return run
