"""Arena: one log, its splits and the ranker trained on it. Candidates in, weights out, then scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...population.values.verdict import Metric, Status
from ..ctr.model import Diverged, Ranker, auc, flatten, make_ranker, predict, unflatten
from ..ctr.model import train as fit
from ..data import Log, Split
from ..kinds.failure import Failed, require_finished
from ..sandbox import Limits, Sandbox, SharedArrays
from .sandboxed_steps import Stepper

TRAIN = "recevolve.evaluators.optimizer.inside:train"
DIVERGED = 10.0
"""Nats per row from which a ranker counts as diverged; one that knows nothing is at 0.7."""


@dataclass(frozen=True)
class Score:
    """How well weights predict held-out rows: mean log loss in nats with its standard error, and AUC."""

    log_loss: float
    error: float
    auc: float
    rows: int

    def metrics(self, prefix: str = "") -> dict[str, Metric]:
        """`log_loss` (lower is better) and `auc` (higher is better), their names led by `prefix`."""
        return {
            f"{prefix}log_loss": Metric(self.log_loss, self.error, self.rows),
            f"{prefix}auc": Metric(self.auc, None, self.rows),
        }


@dataclass(frozen=True)
class Arena:
    """Where candidates train `ranker` on `log`, inside the wall or stepped from outside.

    Everything is a function of the arguments: initial weights and batch order come from seeds, and one thread
    computes. `batch` is in rows per step; at most `evaluation_rows` held-out rows are scored.
    """

    log: Log
    splits: Mapping[str, Split]
    ranker: str
    dim: int
    batch: int
    evaluation_rows: int
    limits: Limits

    def model(self, seed: int) -> Ranker:
        """The untrained ranker of this seed."""
        return make_ranker(self.ranker, self.log.fields, self.dim, seed)

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the ranker's weights."""
        return [tuple(weight.shape) for weight in self.model(0).parameters()]

    def fold(self, split: str, fold: int, of: int) -> np.ndarray:
        """Held-out rows of the split's `fold` when its folds are joined to `of` groups of disjoint users."""
        return np.sort(np.concatenate(self.splits[split].folds[fold::of]))

    def order(self, split: str, rows: int, seed: int, share: float = 1.0) -> np.ndarray:
        """(rows,) row numbers of the log: shuffled passes over a random `share` of the split's training rows.

        A longer order begins with every shorter one of the same seed and share.
        """
        rng = np.random.Generator(np.random.Philox(seed))
        train = self.splits[split].train
        pool = rng.permutation(train)[: max(1, round(share * len(train)))]
        passes = [rng.permutation(pool) for _ in range(-(-rows // len(pool)))]
        return np.concatenate(passes)[:rows]

    def inputs(self, split: str, rows: int, seed: int) -> SharedArrays:
        """The training rows of `order(split, rows, seed)` for `train_inside`, and no row beyond them."""
        used, order = np.unique(self.order(split, rows, seed), return_inverse=True)
        return SharedArrays(
            {
                "features": self.log.features[used],
                "labels": self.log.labels[used],
                "order": order.astype(np.int64),
            }
        )

    def train_inside(
        self, source: str, factors: Sequence[float], inputs: SharedArrays, seed: int, sandbox: Sandbox
    ) -> tuple[np.ndarray, float]:
        """(len(factors), P) weights, a row of NaN where the rate diverged, and the CPU seconds it took.

        The whole training runs in the child, which could take more steps than it should: `audit` finds out.
        Raises Failed.
        """
        ranker = {"name": self.ranker, "dim": self.dim, "seed": seed, "batch": self.batch}
        ranker["fields"] = [[field.name, field.size] for field in self.log.fields]
        parameters: dict[str, Any] = {"factors": list(factors), "ranker": ranker}
        outcome = sandbox.run(TRAIN, source, parameters=parameters, inputs=[inputs], limits=self.limits)
        require_finished(outcome, "training")
        weights = outcome.arrays.get("weights")
        expected = (len(factors), len(flatten(self.model(seed))))
        if weights is None or weights.dtype != np.float32 or weights.shape != expected:
            raise Failed(Status.CRASHED, f"returned something else than float32 weights of shape {expected}")
        return weights, outcome.cpu_seconds

    def train_outside(self, order: np.ndarray, seed: int, stepper: Stepper) -> np.ndarray:
        """(P,) weights after the rows of `order`: data and model stay here, `stepper` sees single steps.

        A rate that diverges gives NaN. Raises Failed.
        """
        model = self.model(seed)
        try:
            fit(model, self.log.features, self.log.labels, order, stepper, self.batch)
        except Diverged:
            return np.full_like(flatten(model), np.nan)
        return flatten(model)

    def score(self, weights: np.ndarray, rows: np.ndarray) -> Score | None:
        """Score of (P,) weights on held-out rows, None where they diverged."""
        rows = rows[: self.evaluation_rows]
        model = self.model(0)
        try:
            unflatten(model, weights)
            logits = predict(model, self.log.features[rows]).astype(np.float64)
        except Diverged:
            return None
        labels = self.log.labels[rows]
        losses = np.logaddexp(0.0, np.where(labels == 1, -logits, logits))
        if not losses.mean() < DIVERGED:
            return None
        return Score(
            log_loss=float(losses.mean()),
            error=float(losses.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else 0.0,
            auc=auc(logits, labels),
            rows=len(rows),
        )
