"""Behind: a candidate's layer behind the wall, one call at a time, as `ranker.Trial` asks for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ...population.values.verdict import Status
from ..kinds.failure import Failed, require_finished
from ..sandbox import Limits, Sandbox, SessionEnded
from .layer import BACKWARD, FORWARD, TURNS, WITH_GRAPH, over_budget
from .ranking_model import CHUNK
from .reference_cost import Yardstick

SERVE = "recevolve.evaluators.interaction.inside:serve"
MEASURE = "recevolve.evaluators.interaction.inside:measure"
ODD_ROWS = 37
"""A batch that no training has: operations are counted there too."""


@dataclass(frozen=True)
class Layer:
    """What a candidate is at one size: first parameters by name, outputs, operations per row."""

    first: Mapping[str, np.ndarray]
    outputs: int
    flops: float

    @property
    def size(self) -> int:
        """Numbers to train, one per output included."""
        return sum(value.size for value in self.first.values()) + self.outputs


@dataclass(frozen=True)
class Budget:
    """What a layer may cost, in units of the dcn_v2 seed."""

    parameters: float
    flops: float


def measured(
    sandbox: Sandbox, source: str, yardstick: Yardstick, batch: int, seed: int, budget: Budget, limits: Limits
) -> Layer:
    """The layer at this size, counted by us. Failed, as INVALID, where it is over the budget."""
    parameters = {
        "fields": yardstick.fields,
        "dim": yardstick.dim,
        "seed": seed,
        "rows": [batch, CHUNK, ODD_ROWS],
    }
    outcome = sandbox.run(MEASURE, source, parameters=parameters, limits=limits)
    if outcome.status == "raised" and ".Foreign" in outcome.text:
        raise Failed(Status.CHEATED, outcome.text.partition("Foreign: ")[2] or outcome.text)
    require_finished(outcome, "being measured")
    arrays = outcome.arrays
    outputs, flops = arrays.get("outputs"), arrays.get("flops")
    first = {name[2:]: array for name, array in arrays.items() if name.startswith("p ")}
    formed = all(value.dtype == np.float32 and np.isfinite(value).all() for value in first.values())
    if outputs is None or outputs.shape != (1,) or flops is None or flops.shape != (1,) or not formed:
        raise Failed(Status.CRASHED, "its parameters are not finite float32 tensors")
    layer = Layer(first, int(outputs[0]), float(flops[0]))
    if wrong := over_budget(layer.size, layer.flops, yardstick, budget.parameters, budget.flops):
        raise Failed(Status.INVALID, wrong)
    return layer


@dataclass(frozen=True)
class Call:
    """A training step as it was shown and answered: all that an honest answer depends on, and the answer."""

    x: np.ndarray
    params: Sequence[np.ndarray]
    grad: np.ndarray
    out: np.ndarray
    grads: Sequence[np.ndarray]


@dataclass
class Behind:
    """A layer behind the wall that sees embeddings, parameters and gradients: no label, no id, no row number.

    Parameters are kept on this side and copied over at each call. `calls` holds copies of the training steps
    numbered in `record`, from 1. A context manager; a call raises Failed when the child ends.
    """

    sandbox: Sandbox
    source: str
    layer: Layer
    shape: tuple[int, int, int]
    """(most rows per call, fields, width)"""
    limits: Limits
    record: Collection[int] = ()
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows, outputs = self.shape[0], self.layer.outputs
        self.names: Sequence[str] = list(self.layer.first)
        self.outputs = outputs
        self._steps = 0
        self._rows = 0
        shared: dict[str, tuple[str, tuple[int, ...]]] = {
            "x": ("float32", self.shape),
            "grad_x": ("float32", self.shape),
            "out": ("float32", (rows, outputs)),
            "grad_out": ("float32", (rows, outputs)),
        }
        for number, value in enumerate(self.layer.first.values()):
            shared |= {f"{side} {number}": ("float32", value.shape) for side in "pg"}
        parameters = {"names": list(self.names)}
        self.session = self.sandbox.session(
            SERVE, self.source, parameters=parameters, shared=shared, limits=self.limits
        )

    def __enter__(self) -> Self:
        self.session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.__exit__(kind, error, trace)

    def cpu_seconds(self) -> float:
        """CPU seconds that the child has used so far."""
        return self.session.cpu_seconds()

    def forward(self, x_BFD: Tensor, params: Sequence[Tensor], graph: bool) -> Tensor:
        """(B, K) for (B, F, D) embeddings; with `graph` the next `backward` speaks of this call."""
        arrays, self._rows = self.session.arrays, len(x_BFD)
        arrays["x"][: self._rows] = x_BFD.detach().numpy()
        for number, value in enumerate(params):
            arrays[f"p {number}"][...] = value.detach().numpy()
        self._wake(WITH_GRAPH if graph else FORWARD)
        return torch.from_numpy(arrays["out"][: self._rows].copy())

    def backward(self, grad_BK: Tensor) -> list[Tensor]:
        """Gradients of x and of each parameter."""
        arrays, rows = self.session.arrays, self._rows
        arrays["grad_out"][:rows] = grad_BK.numpy()
        self._steps += 1
        if shown := self._steps in self.record:
            params = [arrays[f"p {number}"].copy() for number in range(len(self.names))]
            before = arrays["x"][:rows].copy(), params, grad_BK.numpy().copy(), arrays["out"][:rows].copy()
        self._wake(BACKWARD)
        grads = [arrays["grad_x"][:rows].copy()]
        grads += [arrays[f"g {number}"].copy() for number in range(len(self.names))]
        if shown:
            self.calls.append(Call(*before, grads))
        return [torch.from_numpy(grad) for grad in grads]

    def again(self, call: Call) -> float:
        """The largest difference between this child's answer to a call and the one recorded, as a share."""
        out = self.forward(torch.from_numpy(call.x), [torch.from_numpy(p) for p in call.params], True)
        grads = self.backward(torch.from_numpy(call.grad))
        pairs = zip((out, *grads), (call.out, *call.grads), strict=True)
        return max(apart(ours.numpy(), theirs) for ours, theirs in pairs)

    def _wake(self, what: int) -> None:
        try:
            self.session.step(self._rows * TURNS + what)
        except SessionEnded as ended:
            require_finished(ended.outcome, "computing")
            raise Failed(Status.CRASHED, "ended by itself while computing") from None


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, in units of the largest number; infinite where one is not finite."""
    if not one.size:
        return 0.0
    gap = float(np.abs(one - other).max())
    scale = max(float(np.abs(one).max()), float(np.abs(other).max()), 1e-20)
    return gap / scale if np.isfinite(gap) and np.isfinite(scale) else float("inf")
