"""The user's own log: a file and a schema that says which column is what.

How columns become ids. None of it depends on labels or on a split, so that features are equal in all of them:

- categorical columns, user and item: distinct values in sorted order of their text, from 0; an empty cell is
  a value of its own. With more than `max_ids` distinct values, the text is hashed into `max_ids` ids.
- numeric columns: 32 buckets between quantiles of the whole column; id 0 is an empty cell or NaN.
- sequence columns: their last 5 entries become 5 fields, the latest first; id 0 says that there is no such
  entry. A Parquet list, or a text with entries parted by spaces, commas, semicolons or bars; brackets and
  quotes ignored.
- `users` holds a hash of the text, so a user keeps their id, and their split, when the log grows.
- `times` holds whole numbers as they are, fractions cut off after sorting; dates become seconds since 1970,
  UTC unless they name a zone. Rows are sorted by time, those of equal time stay in the order of the file.

Rows are numbered from 1 in messages, the header not counted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .columns import Ids, bucketed, coded, hashed, latest
from .log import DataError, Field, Log
from .schema import Schema
from .table import flags_of, no_nulls, numbers_of, table_of, wrong_cell

if TYPE_CHECKING:
    import polars as pl

LICENCE = "the user's own log"
FEW_ROWS = 1.1
"""Rows per user up to which the user column looks like the number of a request."""
NUMBERS = "numbers such as 3.5, or words of data.schema.missing"
SHOWN = 5
"""Values of a label column that a message lists."""
ZONED = "%Y-%m-%d %H:%M:%S%.f%#z"
UNZONED = "%Y-%m-%d %H:%M:%S%.f"


def load(path: Path, schema: object) -> Log:
    """The log in `path`, its columns named by the [data.schema] table `schema`; else DataError."""
    plan = Schema.from_table(schema)
    wanted = {name: f"data.schema names as {role}" for name, role in plan.columns().items()}
    table, warnings = table_of(path, wanted, plan.spelling)
    for role in ("label", "user", "item", "time"):
        if column := getattr(plan, role):
            no_nulls(path, role, table[column])
    order, times = moments_of(path, table, plan.time)
    labels = _labels(path, table[plan.label], plan)
    features = np.empty((table.height, plan.width), dtype=np.int32)
    fields = []
    for nth, (field, ids, values) in enumerate(_features(path, table, plan)):
        features[:, nth] = ids[order]
        fields.append(field)
        warnings += _doubts(field, values, plan, table.height)
    return Log(
        name=path.name,
        labels=labels[order],
        users=hashed(table[plan.user])[order],
        times=times[order],
        features=features,
        fields=tuple(fields),
        licence=LICENCE,
        warnings=warnings,
    )


def _doubts(field: Field, values: int, plan: Schema, rows: int) -> tuple[str, ...]:
    """What to ask of a field that has so many different values; 0: no question."""
    found = []
    if field.name == plan.user and rows < FEW_ROWS * values:
        found.append(
            f"user column {field.name!r} has {values:,} values in {rows:,} rows; check that it names people, "
            "not requests: nothing can be learnt of a user who is seen once"
        )
    if values > plan.max_ids:
        found.append(
            f"field {field.name!r} has {values:,} values, hashed to {plan.max_ids:,} ids: about "
            f"{values / plan.max_ids:.0f} share one; raise data.schema.max_ids to keep them apart"
        )
    return tuple(found)


def _labels(path: Path, column: "pl.Series", plan: Schema) -> NDArray[np.uint8]:
    import polars as pl

    match plan.positive:
        case None:
            wanted = '0 or 1 (or set data.schema.positive, such as ">= 4" or "yes")'
            labels = flags_of(path, "label", column, wanted).astype(np.uint8)
        case tuple() as words:
            labels = column.cast(pl.String).str.strip_chars().is_in(words).to_numpy().astype(np.uint8)
        case threshold:
            values = numbers_of(path, "label", column, good=lambda values: ~np.isnan(values))
            labels = threshold(values).astype(np.uint8)
    if (ones := int(labels.sum())) in (0, len(labels)):
        held = column.cast(pl.String).unique().sort().head(SHOWN + 1).to_list()
        holds = f"label column {column.name!r} holds {', '.join(map(repr, held[:SHOWN]))}"
        if plan.positive is None:
            raise DataError(
                f"{path}: label column {column.name!r} holds only {labels[0]}; a log needs both labels"
            )
        raise DataError(
            f"{path}: {ones:,} of {len(labels):,} rows match `positive`, and a log needs both labels: {holds}"
            + (", ..." if len(held) > SHOWN else "")
        )
    return labels


def moments_of(path: Path, table: "pl.DataFrame", name: str | None) -> tuple[Ids, Ids]:
    """The order that sorts the rows by time, and the whole-numbered times in the order of the file."""
    import polars as pl

    if name is None:
        rows = np.arange(table.height, dtype=np.int64)
        return rows, rows
    column = table[name]
    whole = column.cast(pl.Int64, strict=False) if column.dtype == pl.String else column
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        exact, unit = column.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy(), 1_000_000
    elif whole.dtype.is_integer() and not whole.null_count():
        exact, unit = whole.to_numpy().astype(np.int64), 1
    elif column.dtype == pl.String and column.head(1).cast(pl.Float64, strict=False).null_count():
        exact, unit = _moments(path, column), 1_000_000
    else:
        exact, unit = numbers_of(path, "time", column, "finite numbers", np.isfinite), 1
    return np.argsort(exact, kind="stable"), np.floor_divide(exact, unit).astype(np.int64)


def _moments(path: Path, column: "pl.Series") -> Ids:
    """Microseconds since 1970 of ISO 8601 texts."""
    import polars as pl

    text = column.str.strip_chars()
    plain = text.str.replace("T", " ", literal=True).str.replace("Z$", "+00:00")
    unzoned = plain.str.to_datetime(UNZONED, strict=False, time_unit="us").cast(pl.Int64)
    zoned = plain.str.to_datetime(ZONED, strict=False, time_unit="us", time_zone="UTC").cast(pl.Int64)
    moments = pl.select(pl.coalesce(unzoned, zoned)).to_series()
    rest = {one: _moment(one) for one in text.filter(moments.is_null()).unique()}
    if wrong := [one for one, moment in rest.items() if moment is None]:
        row = int(text.is_in(wrong).arg_max() or 0)
        raise wrong_cell(path, "time", column, row, "numbers or ISO dates like 2024-05-31 12:00:00")
    others = text.replace_strict(rest, default=None, return_dtype=pl.Int64)
    return pl.select(pl.coalesce(moments, others)).to_series().to_numpy()


def _moment(text: str) -> int | None:
    """Microseconds since 1970 of one text; None where it is no date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _features(path: Path, table: "pl.DataFrame", plan: Schema) -> Iterator[tuple[Field, Ids, int]]:
    """The fields with the ids (N,) of each, in the order of the file, and how many values it coded."""
    import polars as pl

    for name in [plan.user, *([plan.item] if plan.item else []), *plan.categorical]:
        if table[name].dtype.is_nested():
            raise DataError(
                f"{path}: column {name!r} holds {table[name].dtype}; name it in data.schema.sequence"
            )
        codes, values = coded(table[name], plan.max_ids)
        yield Field(name, min(values, plan.max_ids)), codes, values
    for name in plan.numeric:
        codes, size = bucketed(numbers_of(path, "numeric", table[name], NUMBERS))
        yield Field(name, size), codes, 0
    for name in plan.sequence:
        kind = table[name].dtype
        if not isinstance(kind, pl.String | pl.List) or (
            isinstance(kind, pl.List) and kind.inner.is_nested()
        ):
            raise DataError(f"{path}: sequence column {name!r} must hold lists or texts, is {kind}")
        places, values = latest(table[name], plan.max_ids)
        for nth, codes in enumerate(places, 1):
            # one question for all places of a sequence
            yield Field(f"{name}_{nth}", min(values, plan.max_ids) + 1), codes, values if nth == 1 else 0
