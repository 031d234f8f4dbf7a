"""The training of a ranker by a candidate, inside the sandbox or stepped from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...population.values.verdict import Status
from ..ctr.model import Diverged, Ranker, flatten, make_ranker, predict, unflatten
from ..ctr.model import train as fit
from ..ctr.setup import Score, TrainingSetup
from ..kinds.failure import Failed, require_finished
from ..sandbox import Sandbox, SharedArrays
from .sandboxed_steps import SandboxedSteps

TRAIN = "recevolve.evaluators.optimizer.inside:train"
MATCHED = "recevolve.evaluators.optimizer.inside:matched"


@dataclass(frozen=True)
class OptimizerSetup(TrainingSetup):
    """Where candidates train the ranker `model`: rows in, weights out, then scores."""

    def ranker(self, seed: int) -> Ranker:
        """The untrained ranker of this seed."""
        return make_ranker(self.model, self.log.fields, self.settings.dim, seed)

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the ranker's weights."""
        return [tuple(weight.shape) for weight in self.ranker(0).parameters()]

    def inputs(self, split: str, rows: int, seed: int) -> SharedArrays:
        """The training rows of `order(split, rows, seed)` for `train_inside`, and no row beyond them."""
        used, order = np.unique(self.order(split, rows, seed), return_inverse=True)
        features, labels = self.log.features[used], self.log.labels[used]
        return SharedArrays({"features": features, "labels": labels, "order": order.astype(np.int64)})

    def matched_factor(self, source: str, sandbox: Sandbox) -> float:
        """The multiple of its own rate at which the program makes steps of standard length. Raises Failed."""
        outcome = sandbox.run(MATCHED, source, limits=self.limits)
        require_finished(outcome, "finding the length of its steps")
        found = outcome.arrays.get("factor")
        if found is None or found.dtype != np.float64 or found.shape != (1,) or not 0.0 < found[0] < np.inf:
            raise Failed(Status.CRASHED, "tampered with the length of its steps")
        return float(found[0])

    def train_inside(
        self,
        source: str,
        factors: Sequence[float],
        inputs: SharedArrays,
        marks: Sequence[int],
        seed: int,
        sandbox: Sandbox,
    ) -> tuple[np.ndarray, float]:
        """(R, C, P) weights of each rate after the steps `marks`, and the CPU seconds that it took.

        NaN where a rate diverged. The whole training runs in the child, which could take more steps than it
        should: an audit finds out. Raises Failed.
        """
        chosen = self.settings
        ranker = {"name": self.model, "dim": chosen.dim, "seed": seed, "batch": chosen.batch}
        ranker["fields"] = [[field.name, field.size] for field in self.log.fields]
        parameters: dict[str, Any] = {"factors": list(factors), "marks": list(marks), "ranker": ranker}
        outcome = sandbox.run(TRAIN, source, parameters=parameters, inputs=[inputs], limits=self.limits)
        require_finished(outcome, "training")
        weights = outcome.arrays.get("weights")
        expected = (len(factors), len(marks), len(flatten(self.ranker(seed))))
        if weights is None or weights.dtype != np.float32 or weights.shape != expected:
            raise Failed(Status.CRASHED, f"returned something else than float32 weights of shape {expected}")
        return weights, outcome.cpu_seconds

    def train_outside(
        self, order: np.ndarray, marks: Sequence[int], seed: int, steps: SandboxedSteps
    ) -> np.ndarray:
        """(C, P) weights after the steps `marks`: data and model stay here, the candidate sees single steps.

        A rate that diverges gives NaN. Raises Failed.
        """
        model, log = self.ranker(seed), self.log
        try:
            return np.stack(fit(model, log.features, log.labels, order, steps, self.settings.batch, marks))
        except Diverged:
            return np.full((len(marks), len(flatten(model))), np.nan, np.float32)

    def loss_of(self, weights: np.ndarray, rows: np.ndarray) -> float | None:
        """The mean log loss, in nats, of (P,) weights on these rows; None where they diverged."""
        try:
            return float(self.losses(self._logits(weights, rows), rows).mean())
        except Diverged:
            return None

    def score_of(self, weights: np.ndarray, rows: np.ndarray) -> Score | None:
        """The score of (P,) weights on held-out rows, None where they diverged."""
        try:
            return self.score(self._logits(weights, rows), rows)
        except Diverged:
            return None

    def _logits(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(N,) logits of (P,) weights for these rows. Raises Diverged."""
        model = self.ranker(0)
        unflatten(model, weights)
        return predict(model, self.log.features[rows])

    def best_checkpoint(self, weights: np.ndarray, choosing: np.ndarray) -> tuple[int, float] | None:
        """(which of the (C, P) weights has the least log loss on these rows, that loss).

        None where a checkpoint diverged: what breaks later may not win by what it was before.
        """
        losses = [self.loss_of(each, choosing) for each in weights]
        finite = [loss for loss in losses if loss is not None]
        if len(finite) < len(losses):
            return None
        best = int(np.argmin(finite))
        return best, finite[best]
