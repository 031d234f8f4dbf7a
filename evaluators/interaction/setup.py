"""Arena: one log, its splits, the ranker around a candidate. Candidates in, predictions out, then scores."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...population.values.verdict import Metric, Status
from ..ctr.model import Diverged, auc, train
from ..data import Log, Split
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from .ranking_model import CHUNK, Trial, adam, losses_of, predict
from .reference_cost import Yardstick
from .sandboxed_layer import Behind, Budget, Layer, measured

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


@dataclass(frozen=True)
class Run:
    """A training to its end: its predictions, what they scored, and the layer with its last parameters."""

    score: Score
    logits: np.ndarray
    model: Trial
    layer: Layer
    cpu_seconds: float


@dataclass(frozen=True)
class Arena:
    """Where candidates stand between the embeddings and the logit of a ranker that is trained on `log`.

    The ranker, its optimizer, ids and labels stay on this side; the candidate sees embeddings, its parameters
    and gradients, one batch at a time. Everything is a function of the arguments.
    """

    log: Log
    splits: Mapping[str, Split]
    model: str
    dim: int
    batch: int
    lr: float
    evaluation_rows: int
    budget: Budget
    limits: Limits

    @property
    def yardstick(self) -> Yardstick:
        """What sizes are compared with."""
        return Yardstick(len(self.log.fields), self.dim)

    def layer(self, source: str, seed: int, sandbox: Sandbox) -> Layer:
        """The candidate's parameters of this seed, and its costs. Raises Failed where these are too high."""
        return measured(sandbox, source, self.yardstick, self.batch, seed, self.budget, self.limits)

    def behind(self, source: str, layer: Layer, sandbox: Sandbox, record: Collection[int] = ()) -> Behind:
        """The candidate in a fresh child."""
        shape = (max(self.batch, CHUNK), len(self.log.fields), self.dim)
        return Behind(sandbox, source, layer, shape, self.limits, record)

    def fold(self, split: str, fold: int, of: int) -> np.ndarray:
        """Held-out rows of the split's `fold` when its folds are joined to `of` groups of disjoint users."""
        return np.sort(np.concatenate(self.splits[split].folds[fold::of]))

    def order(self, split: str, rows: int, seed: int, share: float = 1.0) -> np.ndarray:
        """(rows,) row numbers of the log: shuffled passes over a random `share` of the split's training rows.

        A longer order begins with every shorter one of the same seed and share.
        """
        rng = np.random.Generator(np.random.Philox(seed))
        train_rows = self.splits[split].train
        pool = rng.permutation(train_rows)[: max(1, round(share * len(train_rows)))]
        passes = [rng.permutation(pool) for _ in range(-(-rows // len(pool)))]
        return np.concatenate(passes)[:rows]

    def run(self, layer: Layer, behind: Behind, order: np.ndarray, held_out: np.ndarray, seed: int) -> Run:
        """Trains on the rows of `order` and predicts held-out rows with a fresh `behind`. Raises Failed."""
        first = [torch.from_numpy(value) for value in layer.first.values()]
        model = Trial(self.model, self.log.fields, self.dim, behind, first, seed)
        held_out = held_out[: self.evaluation_rows]
        try:
            train(model, self.log.features, self.log.labels, order, adam(model, self.lr), self.batch)
            logits = predict(model, self.log.features[held_out])
        except Diverged as why:
            raise Failed(Status.CRASHED, f"diverged on {self.log.name}: {why}") from None
        losses = losses_of(logits, self.log.labels[held_out])
        if not losses.mean() < DIVERGED:
            raise Failed(Status.CRASHED, f"diverged on {self.log.name}: the log loss is {losses.mean():.3g}")
        score = Score(losses, self.log.users[held_out], auc(logits, self.log.labels[held_out]))
        return Run(score, logits, model, layer, behind.cpu_seconds())
