"""SandboxedLayer: a candidate's layer in the sandbox, one call at a time, as a ranking model asks for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...population.values.verdict import Status
from ..kinds.failure import Failed, Sandboxed, require_finished, step
from ..sandbox import Limits, Sandbox
from .inside import BACKWARD, FORWARD, TURNS, WITH_GRAPH
from .reference_cost import Budget, ReferenceCost

SERVE = "recevolve.evaluators.interaction.inside:serve"
MEASURE = "recevolve.evaluators.interaction.inside:measure"
CHUNK = 2048
"""Rows per call when predicting."""
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


def measured(
    sandbox: Sandbox, source: str, cost: ReferenceCost, batch: int, seed: int, budget: Budget, limits: Limits
) -> Layer:
    """The layer at this size, counted by us. Failed, as INVALID, where it is over the budget."""
    rows = [batch, CHUNK, ODD_ROWS]
    parameters = {"fields": cost.fields, "dim": cost.dim, "seed": seed, "rows": rows}
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
    if wrong := cost.over_budget(layer.size, layer.flops, budget):
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
class SandboxedLayer(Sandboxed):
    """A layer in the sandbox that sees embeddings, parameters and gradients: no label, no id, no row number.

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

    def forward(self, x_BFD: Tensor, params: Sequence[Tensor], graph: bool) -> Tensor:
        """(B, K) for (B, F, D) embeddings; with `graph` the next `backward` speaks of this call."""
        arrays, self._rows = self.session.arrays, len(x_BFD)
        arrays["x"][: self._rows] = x_BFD.detach().numpy()
        for number, value in enumerate(params):
            arrays[f"p {number}"][...] = value.detach().numpy()
        self._turn(WITH_GRAPH if graph else FORWARD)
        return torch.from_numpy(arrays["out"][: self._rows].copy())

    def backward(self, grad_BK: Tensor) -> list[Tensor]:
        """Gradients of x and of each parameter."""
        arrays, rows = self.session.arrays, self._rows
        arrays["grad_out"][:rows] = grad_BK.numpy()
        self._steps += 1
        if shown := self._steps in self.record:
            params = [arrays[f"p {number}"].copy() for number in range(len(self.names))]
            before = arrays["x"][:rows].copy(), params, grad_BK.numpy().copy(), arrays["out"][:rows].copy()
        self._turn(BACKWARD)
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

    def beside(self, call: Call, rows: np.ndarray, companions: np.ndarray) -> float:
        """The largest difference at these rows of a call where all others are those of `companions`."""
        x = companions.copy()
        x[rows] = call.x[rows]
        out = self.forward(torch.from_numpy(x), [torch.from_numpy(p) for p in call.params], True)
        grad_x = self.backward(torch.from_numpy(call.grad))[0]
        pairs = ((out, call.out), (grad_x, call.grads[0]))
        return max(apart(ours.numpy()[rows], theirs[rows]) for ours, theirs in pairs)

    def _turn(self, what: int) -> None:
        step(self.session, self._rows * TURNS + what, "computing")


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, in units of the largest number; infinite where one is not finite."""
    if not one.size:
        return 0.0
    gap = float(np.abs(one - other).max())
    scale = max(float(np.abs(one).max()), float(np.abs(other).max()), 1e-20)
    return gap / scale if np.isfinite(gap) and np.isfinite(scale) else float("inf")
