"""Schema: which column of a user's own log is what, checked as far as it can be without the file."""

import codecs
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from .columns import LAST
from .log import DataError, did_you_mean
from .table import Spelling

COMPARISONS: Mapping[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


KEYS: Mapping[str, tuple[Any, str]] = {
    "label": ("clicked", "column of the outcome: 0 or 1, or what `positive` takes for 1"),
    "positive": (">= 4", 'which labels count as 1: a comparison, a word such as "yes", or a list of words'),
    "user": ("user_id", "column that says who; also a field"),
    "item": ("item_id", "column of what was shown; also a field"),
    "time": ("timestamp", "column that says when: numbers or ISO dates; none: the order of the rows"),
    "categorical": (["device"], "columns of any values, one field each"),
    "numeric": (["price"], "columns of numbers, cut into 32 buckets"),
    "sequence": (["history"], "columns of lists, oldest entry first; the last 5 entries become fields"),
    "max_ids": (20_000, "a column of more values is hashed into this many ids"),
    "missing": (["NA", "null"], "words that mean an empty cell"),
    "encoding": ("utf-8", 'of a text file, such as "latin-1"'),
}
"""The keys of [data.schema], each with an example and its meaning."""

Threshold = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""When a number counts as label 1, such as ">= 4": a mask of the values that do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of columns: `label` and `user` are needed, the rest is as the log has it.

    label: 0 or 1, or with `positive` any number or word. user: who; also a field. item: what was shown; also
    a field. time: when; without it the order of the rows is the order of time. categorical: any values, one
    field each. numeric: numbers, in quantile buckets. sequence: lists of ids, oldest first. max_ids: a column
    with more distinct values is hashed into this many ids. positive: when a label is 1: a threshold, or the
    words that say so. missing: words that mean an empty cell. encoding: of a text file.
    """

    label: str
    user: str
    item: str | None = None
    time: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    sequence: tuple[str, ...] = ()
    positive: Threshold | tuple[str, ...] | None = None
    max_ids: int = 20_000
    missing: tuple[str, ...] = ()
    encoding: str = "utf-8"

    @property
    def spelling(self) -> Spelling:
        """How the file writes its cells."""
        return Spelling(self.missing, self.encoding)

    @property
    def width(self) -> int:
        """How many fields the log will have."""
        once = [self.user, *([self.item] if self.item else []), *self.categorical, *self.numeric]
        return len(once) + LAST * len(self.sequence)

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
        schema = cls(**{key: checked(key, value) for key, value in table.items()})
        _once_each(schema)
        return schema


def checked(key: str, value: object) -> Any:
    """The value of a key of [data.schema] as a Schema has it. DataError where it has the wrong form."""
    if key in ("categorical", "numeric", "sequence", "missing"):
        if _are_texts(value):
            return tuple(value)
        what = "texts" if key == "missing" else "column names"
        raise DataError(f"data.schema.{key} must be a list of {what}, got {value!r}")
    if key == "max_ids":
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        raise DataError(f"data.schema.max_ids must be a whole number above 0, got {value!r}")
    if key == "positive" and _are_texts(value) and value:
        return tuple(value)
    if not isinstance(value, str) or not value:
        raise DataError(f"data.schema.{key} must be a text, got {value!r}")
    if key == "encoding":
        return _encoding(value)
    return _positive(value) if key == "positive" else value


def _are_texts(value: object) -> TypeGuard[Sequence[str]]:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _encoding(name: str) -> str:
    """The name by which Python knows it."""
    try:
        "".encode(name)  # refuses codecs of bytes, such as base64
        return codecs.lookup(name).name
    except LookupError:
        raise DataError(
            f'data.schema.encoding must be one that Python knows, such as "latin-1", got {name!r}'
        ) from None


def _positive(text: str) -> Threshold | tuple[str, ...]:
    """A threshold where the text begins as one does, else the word."""
    if text.strip()[:1] not in "<>=!":
        return (text,)
    match = re.fullmatch(r"\s*(>=|<=|==|!=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*", text)
    if not match:
        raise DataError(
            f'data.schema.positive must be a word, words, or a comparison such as ">= 4", got {text!r}'
        )
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
