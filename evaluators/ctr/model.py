"""The small ranking models that programs are tried in, their training loop, and their scores.

One thread, dense gradients, and no state outside the arguments: equal arguments give equal weights, bit by
bit, in any process on one machine and one version of torch.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from ...kernels.reference import dcn_v2_cross, pairwise_dot
from ..data.log import Field

HIDDEN = (64, 32)
CROSS_LAYERS = 2
SPREAD = 0.05
"""Standard deviation of a fresh embedding."""
CHUNK = 8192
"""Rows per forward pass when predicting."""

Step = Callable[[list[Tensor], list[Tensor], int], None]
"""(parameters, gradients, number from 1): the optimizer; writes new values into the parameters, in place."""


class Diverged(ArithmeticError):
    """Training or predicting met a number that is not finite; the message says where."""


class Ranker(nn.Module):
    """(B, F) ids to (B,) logits that the label is 1.

    All fields share one embedding table `(ids of all fields, dim)`, field k from row `offsets[k]` on: one
    look-up and one optimizer step for all, a fifth faster in training than 11 tables. A row still belongs to
    one id, so an optimizer that treats elements or rows apart behaves as it would with a table per field.
    """

    def __init__(self, fields: Sequence[Field], dim: int, inputs: int, rng: torch.Generator) -> None:
        super().__init__()
        sizes = torch.tensor([field.size for field in fields])
        self.offsets = torch.cumsum(sizes, 0) - sizes
        self.dim = dim
        self.table = nn.Parameter(torch.empty(int(sizes.sum()), dim).normal_(0, SPREAD, generator=rng))
        widths = [inputs, *HIDDEN]
        self.weights = nn.ParameterList(matrix(rng, n, m) for n, m in zip(widths[1:], widths, strict=False))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in HIDDEN)

    def embed(self, ids_BF: Tensor) -> Tensor:
        """(B, F, D): the embedding of every id."""
        return functional.embedding(ids_BF + self.offsets, self.table)

    def deep(self, x_BK: Tensor) -> Tensor:
        """(B, 32): the hidden layers over any inputs."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x_BK = functional.linear(x_BK, weight, bias).relu()
        return x_BK


class Dcn(Ranker):
    """DCN-v2, cross and deep side by side: Wang et al. 2020, figure 1b, https://arxiv.org/abs/2008.13535"""

    def __init__(self, fields: Sequence[Field], dim: int, rng: torch.Generator) -> None:
        width = len(fields) * dim
        super().__init__(fields, dim, width, rng)
        self.cross = nn.ParameterList(matrix(rng, width, width) for _ in range(CROSS_LAYERS))
        self.cross_biases = nn.ParameterList(nn.Parameter(torch.zeros(width)) for _ in range(CROSS_LAYERS))
        self.out = matrix(rng, 1, width + HIDDEN[-1])
        self.out_bias = nn.Parameter(torch.zeros(1))

    def forward(self, ids_BF: Tensor) -> Tensor:
        x0_BK = x_BK = self.embed(ids_BF).flatten(1)
        for weight, bias in zip(self.cross, self.cross_biases, strict=True):
            x_BK = dcn_v2_cross(x0_BK, x_BK, weight, bias)
        both = torch.cat([x_BK, self.deep(x0_BK)], dim=1)
        return functional.linear(both, self.out, self.out_bias).squeeze(1)


class Dlrm(Ranker):
    """DLRM: Naumov et al. 2019, https://arxiv.org/abs/1906.00091

    With no dense features there is no bottom network: the top one sees all pairwise dots beside the
    embeddings.
    """

    def __init__(self, fields: Sequence[Field], dim: int, rng: torch.Generator) -> None:
        count = len(fields)
        super().__init__(fields, dim, count * dim + count * (count - 1) // 2, rng)
        self.out = matrix(rng, 1, HIDDEN[-1])
        self.out_bias = nn.Parameter(torch.zeros(1))

    def forward(self, ids_BF: Tensor) -> Tensor:
        x_BFD = self.embed(ids_BF)
        seen = torch.cat([x_BFD.flatten(1), pairwise_dot(x_BFD)], dim=1)
        return functional.linear(self.deep(seen), self.out, self.out_bias).squeeze(1)


RANKERS: dict[str, type[Dcn] | type[Dlrm]] = {"dcn": Dcn, "dlrm": Dlrm}


def make_ranker(name: str, fields: Sequence[Field], dim: int = 8, seed: int = 0) -> Ranker:
    """A fresh "dcn" or "dlrm" for these fields, its weights drawn from `seed` alone."""
    return RANKERS[name](fields, dim, torch.Generator().manual_seed(seed))


def train(
    model: nn.Module,
    features: NDArray[np.int32],
    labels: NDArray[np.uint8],
    order: NDArray[np.int64],
    step: Step,
    batch: int = 512,
    marks: Collection[int] = (),
) -> list[NDArray[np.float32]]:
    """The weights, as `flatten` reads them, after each step whose number is in `marks`; trains in place.

    One `step` per `batch` rows of `order`, the last batch being what is left.

    features (N, F) and labels (N,) as in a Log; order (M,) row numbers in the order of training, as many
    epochs as wanted one after the other. The loss is the mean binary cross-entropy of the batch. `step` is
    called without gradient tracking, with the parameters in the order of `model.parameters()`. A loss that is
    not finite raises Diverged at once; weights that are not finite after the last step are left to `predict`
    or `unflatten`.
    """
    parameters: list[Tensor] = list(model.parameters())
    seen = []
    with _one_thread():
        for number, start in enumerate(range(0, len(order), batch), start=1):
            rows = order[start : start + batch]
            logits = model(torch.from_numpy(features[rows]))
            targets = torch.from_numpy(labels[rows].astype(np.float32))
            loss = functional.binary_cross_entropy_with_logits(logits, targets)
            if not np.isfinite(value := loss.item()):
                raise Diverged(f"the loss of step {number} is {value}")
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                step(parameters, list(gradients), number)
            if number in marks:
                seen.append(flatten(model))
    return seen


def predict(
    model: nn.Module, features: NDArray[np.int32], sizes: Iterator[int] | None = None
) -> NDArray[np.float32]:
    """(N,) logits for (N, F) ids, in batches of these `sizes`, else of CHUNK rows. Diverged if not finite."""
    chunks = [np.empty(0, dtype=np.float32)]
    start, sizes = 0, sizes or repeat(CHUNK)
    with _one_thread(), torch.inference_mode():
        while start < len(features):
            rows = next(sizes)
            ids = np.array(features[start : start + rows])
            chunks.append(model(torch.from_numpy(ids)).numpy())
            start += rows
    logits = np.concatenate(chunks)
    if not np.isfinite(logits).all():
        raise Diverged(
            f"{np.count_nonzero(~np.isfinite(logits))} of {len(logits)} predictions are not finite"
        )
    return logits


def flatten(model: nn.Module) -> NDArray[np.float32]:
    """(P,) float32: a copy of all weights in the order of `model.parameters()`."""
    return parameters_to_vector(model.parameters()).detach().numpy()


def unflatten(model: nn.Module, weights: NDArray[np.float32]) -> None:
    """Writes the weights that `flatten` read back into a model of the same shape.

    ValueError when they are not (P,) float32; Diverged when one is not finite.
    """
    sizes = [parameter.numel() for parameter in model.parameters()]
    count = sum(sizes)
    if weights.dtype != np.float32 or weights.shape != (count,):
        raise ValueError(f"expected float32 weights of shape ({count},), got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise Diverged(f"{np.count_nonzero(~np.isfinite(weights))} of {count} weights are not finite")
    parts = torch.split(torch.from_numpy(weights.copy()), sizes)
    with torch.no_grad():
        for parameter, part in zip(model.parameters(), parts, strict=True):
            parameter.copy_(part.view_as(parameter))


def auc(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The chance that a random positive row scores above a random negative one, ties counting half.

    Higher is better; Mann-Whitney's U over mid-ranks. ValueError for a single label.
    """
    wanted = labels.astype(bool)
    positive = int(wanted.sum())
    negative = len(wanted) - positive
    if not positive or not negative:
        raise ValueError(f"AUC needs both labels, got {positive} positive and {negative} negative rows")
    above = rankdata(scores.astype(np.float64))[wanted].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def matrix(rng: torch.Generator, rows: int, columns: int) -> nn.Parameter:
    """A weight matrix, normal with the variance of Glorot and Bengio 2010."""
    spread = (2.0 / (rows + columns)) ** 0.5
    return nn.Parameter(torch.empty(rows, columns).normal_(0, spread, generator=rng))


@contextmanager
def _one_thread() -> Iterator[None]:
    """More threads change the order of sums, and on small batches were 6 to 31 times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
