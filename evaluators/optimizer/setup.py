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

    def train_inside(
        self, source: str, factors: Sequence[float], inputs: SharedArrays, seed: int, sandbox: Sandbox
    ) -> tuple[np.ndarray, float]:
        """(len(factors), P) weights, a row of NaN where the rate diverged, and the CPU seconds it took.

        The whole training runs in the child, which could take more steps than it should: an audit finds out.
        Raises Failed.
        """
        chosen = self.settings
        ranker = {"name": self.model, "dim": chosen.dim, "seed": seed, "batch": chosen.batch}
        ranker["fields"] = [[field.name, field.size] for field in self.log.fields]
        parameters: dict[str, Any] = {"factors": list(factors), "ranker": ranker}
        outcome = sandbox.run(TRAIN, source, parameters=parameters, inputs=[inputs], limits=self.limits)
        require_finished(outcome, "training")
        weights = outcome.arrays.get("weights")
        expected = (len(factors), len(flatten(self.ranker(seed))))
        if weights is None or weights.dtype != np.float32 or weights.shape != expected:
            raise Failed(Status.CRASHED, f"returned something else than float32 weights of shape {expected}")
        return weights, outcome.cpu_seconds

    def train_outside(self, order: np.ndarray, seed: int, steps: SandboxedSteps) -> np.ndarray:
        """(P,) weights after the rows of `order`: data and model stay here, the candidate sees single steps.

        A rate that diverges gives NaN. Raises Failed.
        """
        model = self.ranker(seed)
        try:
            fit(model, self.log.features, self.log.labels, order, steps, self.settings.batch)
        except Diverged:
            return np.full_like(flatten(model), np.nan)
        return flatten(model)

    def score_of(self, weights: np.ndarray, rows: np.ndarray) -> Score | None:
        """The score of (P,) weights on held-out rows, None where they diverged."""
        rows = rows[: self.settings.evaluation_rows]
        model = self.ranker(0)
        try:
            unflatten(model, weights)
            return self.score(predict(model, self.log.features[rows]), rows)
        except Diverged:
            return None
