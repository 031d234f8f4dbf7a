"""The training setup of optimizers and of interaction layers: a log, its splits, scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..data import Log, Split
from ..kinds.judge import place_of
from ..sandbox import Limits
from .model import Diverged, auc
from .settings import TrainingSettings

LENGTHS = 1.3
"""Training lengths are drawn from within this factor of what is asked for."""
CHOOSES = 5
"""One fold in so many chooses checkpoints where no other group of users could."""
DIVERGED = 10.0
"""Nats per row from which a ranker counts as diverged; one that knows nothing is at 0.7."""


@dataclass(frozen=True)
class Score:
    """How well a ranker predicts held-out rows: (N,) losses in nats and the AUC, with the rows' users."""

    losses: np.ndarray
    users: np.ndarray
    auc: float

    @property
    def log_loss(self) -> Metric:
        """Mean log loss in nats with its standard error; lower is better."""
        count = len(self.losses)
        error = float(self.losses.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
        return Metric(float(self.losses.mean()), error, count)

    def metrics(self, prefix: str = "") -> dict[str, Metric]:
        """`log_loss` and `auc`, their names led by `prefix`."""
        return {f"{prefix}log_loss": self.log_loss, f"{prefix}auc": Metric(self.auc, None, len(self.losses))}

    def units(self, most: int | None = None) -> list[float]:
        """Negative log loss by user, in the order of user numbers, weighted so that the mean is the score.

        With `most`, users are joined to so many groups at the most.
        """
        _, codes = np.unique(self.users, return_inverse=True)
        sums = np.bincount(codes if most is None else codes % most, self.losses)
        return [round(float(each), 7) for each in -sums * len(sums) / len(self.losses)]


def mean(scores: Sequence[Score]) -> Score:
    """The score of several trainings that predicted the same rows: each row's mean loss, the mean AUC."""
    losses = np.mean([score.losses for score in scores], axis=0)
    return Score(losses, scores[0].users, float(np.mean([score.auc for score in scores])))


def verdict_of(metrics: Mapping[str, Metric]) -> Verdict:
    """SCORED with the negative log loss of these metrics."""
    loss = metrics["log_loss"]
    return Verdict(Status.SCORED, Metric(-loss.value, loss.spread, loss.count), metrics=metrics)


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows: `choosing` says which checkpoint is best, `scoring` scores it. No user is in both."""

    choosing: np.ndarray
    scoring: np.ndarray


@dataclass(frozen=True)
class TrainingSetup:
    """Where candidates take part in training a ranking model, named `model`, on `log`.

    Everything is a function of the arguments: initial weights and batch order come from seeds, and one thread
    computes.
    """

    log: Log
    splits: Mapping[str, Split]
    model: str
    settings: TrainingSettings
    limits: Limits

    def held_out(self, split: str, fold: int = 0, of: int = 1) -> HeldOut:
        """What is held out for the split's `fold` when its folds are joined to `of` groups, users apart.

        Other groups choose the checkpoint. Where there is one group, a fifth of its folds do, and score not.
        """
        folds = self.splits[split].folds
        after = [(fold + 1 + k) % len(folds) for k in range(len(folds))]
        others = [k for k in after if k % of != fold] if of > 1 else list(range(0, len(folds), CHOOSES))
        scoring = [rows for k, rows in enumerate(folds) if k % of == fold and k not in others]
        return HeldOut(
            np.concatenate([folds[k] for k in others])[: self.settings.choosing_rows],
            np.sort(np.concatenate(scoring))[: self.settings.evaluation_rows],
        )

    def marks(self, rows: int) -> tuple[int, ...]:
        """The numbers of the steps after which a training on so many rows is looked at; the last is one."""
        steps, count = -(-rows // self.settings.batch), self.settings.checkpoints
        return tuple(sorted({max(1, round(steps * (k + 1) / count)) for k in range(count)}))

    def epochs(self, split: str, steps: int, share: float = 1.0) -> float:
        """How often so many steps see each training row of the split, of which a training draws a `share`."""
        return steps * self.settings.batch / (share * len(self.splits[split].train))

    def order(self, split: str, rows: int, seed: int, share: float = 1.0) -> np.ndarray:
        """(rows,) row numbers of the log: shuffled passes over a random `share` of the split's training rows.

        A longer order begins with every shorter one of the same seed and share.
        """
        rng = np.random.Generator(np.random.Philox(seed))
        train = self.splits[split].train
        pool = rng.permutation(train)[: max(1, round(share * len(train)))]
        passes = [rng.permutation(pool) for _ in range(-(-rows // len(pool)))]
        return np.concatenate(passes)[:rows]

    def losses(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(N,) log losses in nats of (N,) logits for these rows. Diverged for a mean that no ranker has."""
        exact, labels = logits.astype(np.float64), self.log.labels[rows]
        losses = np.asarray(np.logaddexp(0.0, np.where(labels == 1, -exact, exact)))
        if not losses.mean() < DIVERGED:
            raise Diverged(f"the log loss is {losses.mean():.3g}")
        return losses

    def score(self, logits: np.ndarray, rows: np.ndarray) -> Score:
        """The score of (N,) logits for these held-out rows. Diverged as `losses`."""
        return Score(self.losses(logits, rows), self.log.users[rows], auc(logits, self.log.labels[rows]))


def drawn_length(rows: int, rng: np.random.Generator) -> int:
    """A training length near `rows`, log-uniform within a factor of LENGTHS either way.

    Nobody who is trained for a secret number of steps can learn to shine at its last one.
    """
    stretch: float = LENGTHS ** rng.uniform(-1.0, 1.0)
    return max(1, round(rows * stretch))


def length_of_rung(rows: int, seed: int, rung: int) -> int:
    """The length drawn for a rung of a race of this seed: the same for all programs."""
    return drawn_length(rows, np.random.Generator(np.random.Philox([seed, rung])))


S = TypeVar("S", bound=TrainingSetup)


@dataclass(frozen=True)
class TrainingRun(Generic[S]):
    """One full training: `rows` rows from a random `share` of a split's, weights and order by `seed`."""

    setup: S
    split: str
    held_out: HeldOut
    rows: int
    share: float
    seed: int

    @property
    def order(self) -> np.ndarray:
        """(rows,) row numbers of the log as they are seen."""
        return self.setup.order(self.split, self.rows, self.seed, self.share)

    @property
    def marks(self) -> tuple[int, ...]:
        """The numbers of the steps after which it is looked at."""
        return self.setup.marks(self.rows)

    def epochs(self, steps: int) -> float:
        """How often so many steps see each of its rows."""
        return self.setup.epochs(self.split, steps, self.share)

    def sampled(self, rng: np.random.Generator, most: int) -> np.ndarray:
        """Numbers, from 1, of `most` steps drawn without replacement, or of all where there are fewer."""
        steps = -(-self.rows // self.setup.settings.batch)
        return rng.choice(steps, min(most, steps), replace=False) + 1


@dataclass(frozen=True)
class FullTrainings(Generic[S]):
    """The trainings of the north star; `transfer` is the setup on a second log, if there is one."""

    setup: S
    transfer: S | None

    def rows(self, split: str) -> int:
        """Rows that a training sees, before its length is drawn."""
        chosen = self.setup.settings
        return max(1, round(chosen.epochs * chosen.subsample * len(self.setup.splits[split].train)))

    def of_fold(
        self, split: str, fold: int, of: int
    ) -> tuple[TrainingRun[S], TrainingRun[S] | None, np.random.Generator]:
        """The fold's training, its training on the second log if there is one, and a generator for audits."""
        chosen = self.setup.settings
        rng = np.random.Generator(np.random.Philox([chosen.seed, place_of(split), fold, of]))
        rows = self.rows(split)
        seed, other = int(rng.integers(2**31)), self.transfer

        def run(setup: S, rows: int) -> TrainingRun[S]:
            held_out, length = setup.held_out(split, fold, of), drawn_length(rows, rng)
            return TrainingRun(setup, split, held_out, length, chosen.subsample, seed)

        return run(self.setup, rows), run(other, chosen.transfer_rows) if other else None, rng
