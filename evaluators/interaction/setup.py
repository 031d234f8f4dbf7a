"""The training setup of layers: a ranking model around one that runs elsewhere, its training, its scores."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...population.values.verdict import Metric, Status
from ..ctr import model as ctr
from ..ctr.setup import HeldOut, Score, TrainingSetup
from ..data import Field
from ..kinds.failure import Failed
from ..sandbox import Sandbox
from .reference_cost import Budget, ReferenceCost
from .sandboxed_layer import CHUNK, Layer, SandboxedLayer, measured
from .settings import Settings


class Remote(Protocol):
    """A layer that runs elsewhere."""

    names: Sequence[str]
    outputs: int

    def forward(self, x_BFD: Tensor, params: Sequence[Tensor], graph: bool) -> Tensor:
        """(B, K); with `graph` the next `backward` speaks of this call."""
        ...

    def backward(self, grad_BK: Tensor) -> list[Tensor]:
        """Gradients of the last forward call: of x, then of each parameter."""
        ...


class _Through(torch.autograd.Function):
    """The layer as an operation that autograd knows."""

    @staticmethod
    def forward(ctx: Any, remote: Remote, x_BFD: Tensor, *params: Tensor) -> Tensor:
        ctx.remote = remote
        return remote.forward(x_BFD, params, not torch.is_inference_mode_enabled())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return (None, *ctx.remote.backward(grads[0]))


class RankingModel(ctr.Ranker):
    """(B, F) ids to (B,) logits, with a layer between embeddings and logit.

    parallel: the outputs go straight into the logit, beside the deep tower over the embeddings, as in
    DCN-v2's figure 1b. stacked: the tower sees embeddings and outputs, as in DLRM. Embeddings and tower are
    drawn from `seed` before anything whose shape depends on the layer, so that layers start alike.
    """

    def __init__(
        self,
        model: str,
        fields: Sequence[Field],
        dim: int,
        remote: Remote,
        first: Sequence[Tensor],
        seed: int,
    ) -> None:
        rng = torch.Generator().manual_seed(seed)
        width, self.parallel = len(fields) * dim, model == "parallel"
        super().__init__(fields, dim, width, rng)
        if not self.parallel:
            self.widened = ctr.matrix(rng, ctr.HIDDEN[0], remote.outputs)
        self.out = ctr.matrix(rng, 1, ctr.HIDDEN[-1] + remote.outputs * self.parallel)
        self.out_bias = nn.Parameter(torch.zeros(1))
        self.remote = remote
        self.layer = nn.ParameterList(nn.Parameter(value.clone()) for value in first)

    def forward(self, ids_BF: Tensor) -> Tensor:
        x_BFD = self.embed(ids_BF)
        out_BK: Tensor = _Through.apply(self.remote, x_BFD, *self.layer)  # type: ignore[no-untyped-call]
        flat_BK = x_BFD.flatten(1)
        if self.parallel:
            seen = torch.cat([out_BK, self.deep(flat_BK)], dim=1)
        else:
            first = functional.linear(flat_BK, self.weights[0], self.biases[0])
            hidden = (first + functional.linear(out_BK, self.widened)).relu()
            seen = functional.linear(hidden, self.weights[1], self.biases[1]).relu()
        return functional.linear(seen, self.out, self.out_bias).squeeze(1)


def adam(model: nn.Module, lr: float) -> ctr.Step:
    """Adam for `ctr.train`: Kingma and Ba 2015, arXiv:1412.6980, with the usual constants."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, foreach=False, fused=False)

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return step


@dataclass(frozen=True)
class Trained:
    """A training: the model at its best checkpoint, after `best_step` steps, its predictions, their score."""

    score: Score
    best_step: int
    logits: np.ndarray
    model: RankingModel
    layer: Layer
    cpu_seconds: float


@dataclass(frozen=True)
class LayerSetup(TrainingSetup):
    """Where candidates stand between the embeddings and the logit of a ranking model.

    The model, its optimizer, ids and labels stay on this side; the candidate sees embeddings, its parameters
    and gradients, one batch at a time.
    """

    settings: Settings

    @property
    def reference_cost(self) -> ReferenceCost:
        """What sizes are compared with."""
        return ReferenceCost(len(self.log.fields), self.settings.dim)

    def ratios(self, layer: Layer) -> dict[str, Metric]:
        """What the layer costs in units of the reference."""
        cost = self.reference_cost
        sizes = {"parameter_ratio": layer.size / cost.parameters, "flop_ratio": layer.flops / cost.flops}
        return {name: Metric(value) for name, value in sizes.items()}

    def layer(self, source: str, seed: int, sandbox: Sandbox) -> Layer:
        """The candidate's parameters of this seed, and its costs. Raises Failed where these are too high."""
        chosen = self.settings
        budget = Budget(chosen.parameter_budget, chosen.flop_budget)
        return measured(sandbox, source, self.reference_cost, chosen.batch, seed, budget, self.limits)

    def sandboxed(
        self, source: str, layer: Layer, sandbox: Sandbox, record: Collection[int] = ()
    ) -> SandboxedLayer:
        """The candidate in a fresh child."""
        shape = (max(self.settings.batch, CHUNK), len(self.log.fields), self.settings.dim)
        return SandboxedLayer(sandbox, source, layer, shape, self.limits, record)

    def run(self, remote: SandboxedLayer, order: np.ndarray, held_out: HeldOut, seed: int) -> Trained:
        """Trains on the rows of `order` and predicts held-out rows with a fresh `remote`. Raises Failed."""
        first = [torch.from_numpy(value) for value in remote.layer.first.values()]
        chosen = self.settings
        model = RankingModel(self.model, self.log.fields, chosen.dim, remote, first, seed)
        marks, log, step = self.marks(len(order)), self.log, adam(model, chosen.lr)
        try:
            seen = ctr.train(model, log.features, log.labels, order, step, chosen.batch, marks)
            losses = [self._loss(model, weights, held_out.choosing) for weights in seen]
            best = int(np.argmin(losses))
            ctr.unflatten(model, seen[best])
            logits = ctr.predict(model, log.features[held_out.scoring], repeat(CHUNK))
            score = self.score(logits, held_out.scoring)
        except ctr.Diverged as why:
            raise Failed(Status.CRASHED, f"diverged on {log.name}: {why}") from None
        return Trained(score, marks[best], logits, model, remote.layer, remote.cpu_seconds())

    def _loss(self, model: RankingModel, weights: np.ndarray, rows: np.ndarray) -> float:
        """The mean log loss of the model with these weights on these rows. Raises Diverged."""
        ctr.unflatten(model, weights)
        logits = ctr.predict(model, self.log.features[rows], repeat(CHUNK))
        return float(self.losses(logits, rows).mean())
