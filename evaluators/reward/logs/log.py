"""RewardLog: what a log says of rewards: slates of candidates, which one was shown, and what came of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...data import DataError
from ...data.splits import uniform
from .signals import Signals

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RewardLog:
    """One row per slate: C candidates, of which one was shown with a known chance. Arrays are made read-only.

    `columns` are predictions and contexts by name, each (C, M) float64: candidates first, so that each column
    of a slate is one stretch of memory. `chosen` (M,) int64 which candidate was shown, `propensity` (M,) with
    what chance. `outcomes` by name, each (M,) float64, of the one shown. `user` (M,) int64; `before` (M,) on
    how many of the seven days before the user was active, 0 where the log cannot know. `warnings` are what a
    person should check, in a sentence each. DataError for
    arrays of other shapes, numbers outside the range of their signal, chances that are none.
    """

    name: str
    signals: Signals
    columns: Mapping[str, Array]
    chosen: Ints
    propensity: Array
    outcomes: Mapping[str, Array]
    user: Ints
    before: Array
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.chosen)
        if not count:
            raise DataError(f"{self.name}: the log holds no slate that can be used")
        for one in self.signals.columns:
            table = self.outcomes if one.role == "outcome" else self.columns
            if one.role == "prediction" and one.name not in table:
                raise DataError(f"{self.name}: the log has no prediction {one.name!r}")
            if (values := table.get(one.name)) is None:
                continue
            wanted = (count,) if one.role == "outcome" else (self.choices, count)
            if values.shape != wanted:
                raise DataError(f"{self.name}: {one.name} must have shape {wanted}, got shape {values.shape}")
            least, most = float(values.min()), float(values.max())
            if not (one.low - 1e-6 <= least and most <= one.high + 1e-6):  # NaN is in no range
                raise DataError(
                    f"{self.name}: {one.name} must lie in {one.low:g} to {one.high:g}, got {least:g} to "
                    f"{most:g}; correct the data or the range in the signals file"
                )
        if self.propensity.min() <= 0 or self.propensity.max() > 1 + 1e-6:
            raise DataError(f"{self.name}: propensities must lie in (0, 1]")
        for array in self._arrays():
            array.flags.writeable = False

    def _arrays(self) -> tuple[np.ndarray, ...]:
        tables = (*self.columns.values(), *self.outcomes.values())
        return (*tables, self.chosen, self.propensity, self.user, self.before)

    @classmethod
    def of_rows(
        cls,
        name: str,
        signals: Signals,
        columns: Mapping[str, Array],
        slates: NDArray[np.intp],
        chosen: Ints,
        propensity: Array,
        user: Ints,
        before: Array,
    ) -> "RewardLog":
        """The log whose slates are rows `slates` (C, M) of a table: `columns`, `user`, `before` (N,)."""
        shown = slates[chosen, np.arange(slates.shape[1])]
        outcomes = {one.name for one in signals.columns if one.role == "outcome"}
        return cls(
            name,
            signals,
            {name: column[slates] for name, column in columns.items() if name not in outcomes},
            chosen,
            propensity,
            {name: column[shown] for name, column in columns.items() if name in outcomes},
            user[shown],
            before[shown],
        )

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def choices(self) -> int:
        """Candidates per slate."""
        return len(next(iter(self.columns.values())))

    @property
    def summary(self) -> str:
        """What a run records of its data: name, size, fingerprint."""
        return f"{self.name}: {len(self):,} slates of {self.choices}, {self.fingerprint}"

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that is in it."""
        digest = hashlib.sha256(str(self.signals.to_json()).encode())
        for array in self._arrays():
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def rows(self, places: NDArray[np.intp]) -> "RewardLog":
        """The log of these rows alone, in their order."""
        return replace(
            self,
            columns={name: np.ascontiguousarray(column[:, places]) for name, column in self.columns.items()},
            outcomes={name: column[places] for name, column in self.outcomes.items()},
            **{name: getattr(self, name)[places] for name in ("chosen", "propensity", "user", "before")},
        )


SPLITS = ("search", "selection", "claim")
SHARES = (0.5, 0.75, 1.0)
"""Up to which share of users each split goes."""


def split(log: RewardLog, seed: int) -> dict[str, RewardLog]:
    """The log of each split: half of the users for the search, a quarter each for selection and claim.

    A seeded hash decides, so a user stays where they are when the log grows. DataError where one is empty.
    """
    luck = uniform(log.user, seed)
    parts = {}
    low = 0.0
    for name, high in zip(SPLITS, SHARES, strict=True):
        places = np.flatnonzero((luck >= low) & (luck < high))
        if not places.size:
            raise DataError(f"{log.name}: no user falls into the {name} split; the log needs more users")
        parts[name] = log.rows(places)
        low = high
    return parts
