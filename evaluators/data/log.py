"""Log: a ranking log as plain arrays, whatever file it came from."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """The log cannot be used as it is. The message names the column and the row, and what to change."""


def did_you_mean(got: object, known: Iterable[str]) -> str:
    """The nearest known name as a question in brackets, with a space before; empty where none is near."""
    near = get_close_matches(str(got), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


class DataUnavailable(DataError):
    """A log is not there: no such file, or no download. The message says how to get it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A categorical column: ids run from 0 to `size` - 1."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class Log:
    """What happened: one row an impression, rows in the order of time. Arrays are made read-only.

    labels (N,) uint8, 1 is the wanted outcome; users (N,) int64, who; times (N,) int64, when, in the log's
    own unit (seconds since 1970 where the source has dates); features (N, F) int32, an id per field, `fields`
    describing the F columns. `licence` is what the source allows, in a sentence; `warnings` are what a person
    should check, in a sentence each.

    Arrays of another type or shape, an empty log, a label that is not 0 or 1, an id outside its field or rows
    out of time order: DataError.
    """

    name: str
    labels: NDArray[np.uint8]
    users: NDArray[np.int64]
    times: NDArray[np.int64]
    features: NDArray[np.int32]
    fields: tuple[Field, ...]
    licence: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.labels)
        wanted = {
            "labels": (np.uint8, (rows,)),
            "users": (np.int64, (rows,)),
            "times": (np.int64, (rows,)),
            "features": (np.int32, (rows, len(self.fields))),
        }
        for column, (dtype, shape) in wanted.items():
            array = getattr(self, column)
            if array.dtype != dtype or array.shape != shape:
                raise DataError(
                    f"{self.name}: {column} must be {np.dtype(dtype)} of shape {shape}, "
                    f"got {array.dtype} of shape {array.shape}"
                )
        if not rows or not self.fields:
            raise DataError(f"{self.name}: a log needs at least one row and one field, got {rows} rows")
        self._check_values()
        for column in wanted:
            getattr(self, column).flags.writeable = False

    def _check_values(self) -> None:
        if (wrong := np.flatnonzero(self.labels > 1)).size:
            raise DataError(
                f"{self.name}: label must be 0 or 1, row {wrong[0] + 1} has {self.labels[wrong[0]]}"
            )
        if (back := np.flatnonzero(np.diff(self.times) < 0)).size:
            raise DataError(
                f"{self.name}: rows must be in time order, row {back[0] + 2} is earlier than the last"
            )
        low, high = self.features.min(axis=0), self.features.max(axis=0)
        for field, least, most in zip(self.fields, low, high, strict=True):
            if least < 0 or most >= field.size:
                raise DataError(
                    f"{self.name}: ids of field {field.name!r} must lie in 0 to {field.size - 1}, "
                    f"got {least} to {most}"
                )

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits of the arrays and the fields: equal logs, equal digits, in any process."""
        digest = hashlib.sha256(json.dumps([[f.name, f.size] for f in self.fields]).encode())
        for array in (self.labels, self.users, self.times, self.features):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
