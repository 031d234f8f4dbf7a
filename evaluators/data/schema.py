"""Schema: which column of a user's own log is what, checked as far as it can be without the file."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .log import DataError, did_you_mean

COMPARISONS: Mapping[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


Threshold = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""When a number counts as label 1, such as ">= 4": a mask of the values that do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of columns: `label` and `user` are needed, the rest is as the log has it.

    label: 0 or 1, or any number with `positive`. user: who; also a field. item: what was shown; also a field.
    time: when; without it the order of the rows is the order of time. categorical: any values, one field
    each. numeric: numbers, in quantile buckets. sequence: lists of ids, oldest first. max_ids: a column with
    more distinct values is hashed into this many ids.
    """

    label: str
    user: str
    item: str | None = None
    time: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    sequence: tuple[str, ...] = ()
    positive: Threshold | None = None
    max_ids: int = 20_000

    def columns(self) -> dict[str, str]:
        """Every column that is read, with its role."""
        roles = {
            column: role for role in ("label", "user", "item", "time") if (column := getattr(self, role))
        }
        for role in ("categorical", "numeric", "sequence"):
            roles |= {column: role for column in getattr(self, role) if column not in roles}
        return roles

    @classmethod
    def from_table(cls, table: object) -> "Schema":
        """The schema of a config's [data.schema] table. DataError names the key that is wrong."""
        if not isinstance(table, Mapping):
            raise DataError(f"data.schema must be a table, got {table!r}")
        known = [field.name for field in fields(cls)]
        for key in table:
            if key not in known:
                raise DataError(
                    f"unknown key data.schema.{key}{did_you_mean(key, known)}; there is {', '.join(known)}"
                )
        for key in ("label", "user"):
            if key not in table:
                raise DataError(
                    f"data.schema.{key} is missing: name the column of the log that holds the {key}"
                )
        schema = cls(**{key: _value(key, value) for key, value in table.items()})
        _once_each(schema)
        return schema


def _value(key: str, value: object) -> Any:
    if key in ("categorical", "numeric", "sequence"):
        if isinstance(value, list | tuple) and all(isinstance(column, str) for column in value):
            return tuple(value)
        raise DataError(f"data.schema.{key} must be a list of column names, got {value!r}")
    if key == "max_ids":
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        raise DataError(f"data.schema.max_ids must be a whole number above 0, got {value!r}")
    if not isinstance(value, str) or not value:
        raise DataError(f"data.schema.{key} must be a text, got {value!r}")
    return _threshold(value) if key == "positive" else value


def _threshold(text: str) -> Threshold:
    match = re.fullmatch(r"\s*(>=|<=|==|!=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*", text)
    if not match:
        raise DataError(f'data.schema.positive must be a comparison such as ">= 4", got {text!r}')
    compare, number = COMPARISONS[match[1]], float(match[2])
    return lambda values: np.asarray(compare(values, number), dtype=bool)


def _once_each(schema: Schema) -> None:
    """A label among the features would leak, and a column used twice is a mistake; time may be a feature."""
    used = [schema.label, schema.user, *([schema.item] if schema.item else [])]
    used += [*schema.categorical, *schema.numeric, *schema.sequence]
    for column in used:
        if used.count(column) > 1:
            raise DataError(f"data.schema names column {column!r} {used.count(column)} times; name it once")
    if schema.time == schema.label:
        raise DataError(f"data.schema names column {schema.time!r} as label and as time")
