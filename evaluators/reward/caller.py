"""Caller: rewards of rows, by the fast path where the program is a plain formula, else in the sandbox."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...population.values.verdict import Status
from ..kinds.failure import Failed, step
from ..sandbox import Limits, Sandbox, Session
from .fast import Undefined, formula
from .logs.signals import Signals

Array = NDArray[np.float64]
STEP = "recevolve.evaluators.reward.inside:step"
ROWS = 1 << 16
"""Rows that are shown at once in the sandbox."""


class Caller:
    """A reward that can be asked many times. A context manager; asking raises Failed with the verdict.

    It is shown the predictions and nothing else, whatever is passed. In the sandbox one child answers all
    calls over shared memory; `fast` says whether none was needed so far. Without a sandbox, plain formulas
    alone can be asked.
    """

    def __init__(
        self, source: str, signals: Signals, sandbox: Sandbox | None, limits: Limits, *, fast: bool = True
    ) -> None:
        self.source = source
        self.names = tuple(one.name for one in signals.predictions)
        self.sandbox = sandbox
        self.limits = limits
        self.formula = formula(source, frozenset(self.names)) if fast else None
        self._session: Session | None = None

    @property
    def fast(self) -> bool:
        """Whether no child has been needed so far."""
        return self.formula is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if self._session is not None:
            self._session.__exit__(kind, *raised)

    def __call__(self, signals: Mapping[str, NDArray[Any]]) -> Array:
        """The rewards, float64 in the shape of the signals, all finite."""
        shape = signals[self.names[0]].shape
        columns = {
            name: np.ascontiguousarray(signals[name], dtype=np.float64).reshape(-1) for name in self.names
        }
        out = self._answer(columns)
        if not np.isfinite(out).all():
            raise Failed(
                Status.INVALID, "the reward is not finite on the data; guard divisions, logarithms and powers"
            )
        return out.reshape(shape)

    def _answer(self, columns: Mapping[str, Array]) -> Array:
        if self.formula is not None:
            try:
                return self.formula(columns)
            except Undefined:
                self.formula = None  # the sandbox has the last word on what it is
        count = len(columns[self.names[0]])
        out = np.empty(count)
        for start in range(0, count, ROWS):
            part = {name: column[start : start + ROWS] for name, column in columns.items()}
            out[start : start + ROWS] = self._step(part)
        return out

    def _step(self, columns: Mapping[str, Array]) -> Array:
        if self._session is None:
            if self.sandbox is None:
                raise ValueError("a reward that is no plain formula needs a sandbox")
            shared = dict.fromkeys((*self.names, "out"), ("float64", (ROWS,)))
            self._session = self.sandbox.session(STEP, self.source, shared=shared, limits=self.limits)
        count = len(columns[self.names[0]])
        arrays = self._session.arrays
        for name in self.names:
            arrays[name][:count] = columns[name]
        step(self._session, count, "giving rewards")
        return arrays["out"][:count].copy()
