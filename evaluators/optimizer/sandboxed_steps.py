"""SandboxedSteps: a candidate in the sandbox that is shown one step at a time, as `ctr.train` calls it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...population.values.verdict import Status
from ..kinds.failure import Failed, Sandboxed, require_finished, step
from ..sandbox import Limits, Sandbox
from .layout import Layout
from .properties import MOST_STATE

STEP = "recevolve.evaluators.optimizer.inside:step"
STATE_SIZE = "recevolve.evaluators.optimizer.inside:state_size"


@dataclass(frozen=True)
class Step:
    """One step as it was shown and answered, flat: all that an honest answer depends on, and the answer."""

    number: int
    params: np.ndarray
    grads: np.ndarray
    state: np.ndarray
    new_params: np.ndarray
    new_state: np.ndarray


class SandboxedSteps(Sandboxed):
    """Steps parameters with a candidate that sees (grad, state, param, step, hp) and nothing else of ours.

    Weights, state and step number are kept on this side and copied over at each step; what the child does to
    the shared memory in between reaches nothing. `steps` holds copies of those numbered in `record`.
    A context manager; calling it raises Failed when the child ends.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        source: str,
        factor: float,
        shapes: Sequence[tuple[int, ...]],
        limits: Limits,
        record: Collection[int] = (),
    ) -> None:
        self.layout = Layout.of(shapes)
        self.record = frozenset(record)
        self.steps: list[Step] = []
        self.state = np.zeros(state_size(sandbox, source, shapes, limits), np.float32)
        self.params = np.zeros(self.layout.size, np.float32)
        self.grads = np.zeros(self.layout.size, np.float32)
        self.first = self.params
        lengths = dict.fromkeys(("params", "grads", "new_params"), self.layout.size)
        lengths |= dict.fromkeys(("state", "new_state"), len(self.state))
        self.session = sandbox.session(
            STEP,
            source,
            parameters={"factor": factor, "shapes": [list(shape) for shape in self.layout.shapes]},
            shared={name: ("float32", (length,)) for name, length in lengths.items()},
            limits=limits,
        )

    def __call__(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], number: int) -> None:
        """Writes the weights after step `number` (from 1) into `parameters`."""
        if number == 1:
            self._gather(parameters, self.params)
            self.first = self.params.copy()
            self.begin(self.first)
        self._gather(gradients, self.grads)
        self.advance(number)
        for parameter, view in zip(parameters, self.layout.views(self.params), strict=True):
            parameter.copy_(torch.from_numpy(view))

    def begin(self, params: np.ndarray) -> None:
        """Lets the candidate make its first state for flat `params`."""
        self.session.arrays["params"][:] = params
        step(self.session, 0, "making step 0", "before step 0")
        self.state[:] = self.session.arrays["new_state"]

    def advance(self, number: int) -> None:
        """Shows `params`, `grads` and `state`, and takes the answer over into `params` and `state`."""
        for name in ("params", "grads", "state"):
            self.session.arrays[name][:] = getattr(self, name)
        step(self.session, number, f"making step {number}", f"before step {number}")
        new_params = self.session.arrays["new_params"].copy()
        new_state = self.session.arrays["new_state"].copy()
        if number in self.record:
            before = (self.params.copy(), self.grads.copy(), self.state.copy())
            self.steps.append(Step(number, *before, new_params, new_state))
        self.params, self.state = new_params, new_state

    def show(self, shown: Step) -> bool:
        """Whether this child answers the step with the same bits as were recorded."""
        self.params, self.grads, self.state = shown.params, shown.grads, shown.state
        self.advance(shown.number)
        answers = ((self.params, shown.new_params), (self.state, shown.new_state))
        return all(mine.tobytes() == theirs.tobytes() for mine, theirs in answers)

    def _gather(self, tensors: Sequence[Tensor], flat: np.ndarray) -> None:
        for tensor, view in zip(tensors, self.layout.views(flat), strict=True):
            view[...] = tensor.detach().numpy()


def state_size(sandbox: Sandbox, source: str, shapes: Sequence[tuple[int, ...]], limits: Limits) -> int:
    """Float32 elements of state, gaps included, that the candidate wants for tensors of `shapes`.

    Failed where it wants more than MOST_STATE per weight: nothing larger is ever set aside for it.
    """
    outcome = sandbox.run(
        STATE_SIZE, source, parameters={"shapes": [list(shape) for shape in shapes]}, limits=limits
    )
    require_finished(outcome, "making its first state")
    sizes = outcome.arrays.get("size")
    if sizes is None or sizes.dtype != np.int64 or sizes.shape != (1,):
        raise Failed(Status.CRASHED, "tampered with the size of its state")
    most = (MOST_STATE + 1) * Layout.of(shapes).size
    if not 0 < sizes[0] <= most:
        raise Failed(Status.INVALID, f"wants {sizes[0]:,} numbers of state where {most:,} are the most")
    return int(sizes[0])
