"""Trial: a small ranking model around a layer that runs elsewhere. Embeddings, tower, labels stay here."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..ctr import model as ctr
from ..data import Field

CHUNK = 2048
"""Rows per forward pass when predicting."""


class Remote(Protocol):
    """A layer behind the wall."""

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


class Trial(ctr.Ranker):
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
            self.widened = _matrix(ctr.HIDDEN[0], remote.outputs, rng)
        self.out = _matrix(1, ctr.HIDDEN[-1] + remote.outputs * self.parallel, rng)
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


def _matrix(rows: int, columns: int, rng: torch.Generator) -> nn.Parameter:
    spread = (2.0 / (rows + columns)) ** 0.5
    return nn.Parameter(torch.empty(rows, columns).normal_(0, spread, generator=rng))


def adam(model: nn.Module, lr: float) -> ctr.Step:
    """Adam for `ctr.train`: Kingma and Ba 2015, arXiv:1412.6980, with the usual constants."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, foreach=False, fused=False)

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return step


def predict(
    model: nn.Module, features: NDArray[np.int32], sizes: Iterator[int] | None = None
) -> NDArray[np.float32]:
    """(N,) logits for (N, F) ids, in batches of CHUNK rows or of these `sizes`. Diverged if not finite."""
    chunks = [np.empty(0, dtype=np.float32)]
    start = 0
    with torch.inference_mode():
        while start < len(features):
            rows = next(sizes) if sizes else CHUNK
            ids = np.array(features[start : start + rows])
            chunks.append(model(torch.from_numpy(ids)).numpy())
            start += rows
    logits = np.concatenate(chunks)
    if not np.isfinite(logits).all():
        bad = np.count_nonzero(~np.isfinite(logits))
        raise ctr.Diverged(f"{bad} of {len(logits)} predictions are not finite")
    return logits


def losses_of(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N,) log loss of each row in nats."""
    exact = logits.astype(np.float64)
    return np.logaddexp(0.0, np.where(labels == 1, -exact, exact))
