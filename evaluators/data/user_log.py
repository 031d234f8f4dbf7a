"""The user's own log: a CSV, TSV or Parquet file and a schema that says which column is what.

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

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .columns import LAST, Ids, bucketed, coded, hashed, latest
from .log import DataError, DataUnavailable, Field, Log, did_you_mean
from .schema import Schema

if TYPE_CHECKING:
    import polars as pl

READERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t", ".parquet": ""}
"""File endings, with the separator of those that are text."""
LICENCE = "the user's own log"
Values = NDArray[np.float64]


def load(path: Path, schema: object) -> Log:
    """The log in `path`, its columns named by the [data.schema] table `schema`; else DataError."""
    plan = Schema.from_table(schema)
    table = table_of(path, {name: f"data.schema names as {role}" for name, role in plan.columns().items()})
    for role in ("label", "user", "item", "time"):
        if column := getattr(plan, role):
            no_nulls(path, role, table[column])
    order, times = moments_of(path, table, plan.time)
    labels = _labels(path, table[plan.label], plan)
    names, ids = _features(path, table, plan)
    return Log(
        name=path.name,
        labels=labels[order],
        users=hashed(table[plan.user])[order],
        times=times[order],
        features=np.stack(ids, axis=1).astype(np.int32)[order],
        fields=names,
        licence=LICENCE,
    )


def table_of(path: Path, wanted: Mapping[str, str], asked: str = "data.source") -> "pl.DataFrame":
    """A log's file, columns of a text file all as text; an empty text is null.

    `wanted` says of each column that must be there who names it; `asked` is what the path of a log is given
    to. DataError where the file cannot be read, lacks a column, or holds no rows.
    """
    table = _contents(path, asked)
    for column, why in wanted.items():
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r}, which {why}{did_you_mean(column, table.columns)}; "
                f"its columns are {', '.join(table.columns)}"
            )
    if not table.height:
        raise DataError(f"{path} holds no rows")
    import polars as pl

    return table.with_columns(pl.col(pl.String).replace("", None))


def _contents(path: Path, asked: str) -> "pl.DataFrame":
    import polars as pl

    if path.suffix.lower() not in READERS:
        raise DataError(f"{path} must end in {', '.join(READERS)}, got {path.suffix or 'no ending'!r}")
    if not path.is_file():
        raise DataUnavailable(f"there is no file {path.absolute()}; give {asked} the path of your log")
    try:
        if separator := READERS[path.suffix.lower()]:
            return pl.read_csv(path, separator=separator, infer_schema=False)
        return pl.read_parquet(path)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path} is empty: a log needs a header and rows") from None
    except (pl.exceptions.PolarsError, OSError) as why:
        raise DataError(f"{path} cannot be read: {str(why).splitlines()[0]}") from why


def no_nulls(path: Path, role: str, column: "pl.Series") -> None:
    if empty := column.null_count():
        row = int(column.is_null().arg_max() or 0) + 1
        raise DataError(
            f"{path}: {role} column {column.name!r} is empty in row {row}, in {empty} of {len(column)} rows; "
            "fill them or leave such rows out"
        )


def _wrong(path: Path, role: str, column: "pl.Series", row: int, wanted: str) -> DataError:
    return DataError(
        f"{path}: {role} column {column.name!r} must hold {wanted}, row {row + 1} holds {column[row]!r}"
    )


def numbers_of(
    path: Path,
    role: str,
    column: "pl.Series",
    wanted: str = "numbers",
    good: Callable[[Values], NDArray[np.bool_]] = lambda values: np.ones(len(values), dtype=bool),
) -> Values:
    """float64, NaN for an empty cell. DataError where one is no number, or not `good`, as `wanted` says."""
    import polars as pl

    text = column.str.strip_chars() if column.dtype == pl.String else column
    try:
        numbers = text.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:
        raise DataError(
            f"{path}: {role} column {column.name!r} must hold {wanted}, is {column.dtype}"
        ) from None
    values = numbers.fill_null(float("nan")).to_numpy().astype(np.float64)
    wrong = (numbers.is_null() & column.is_not_null()).to_numpy() | ~good(values)
    if wrong.any():
        raise _wrong(path, role, column, int(wrong.argmax()), wanted)
    return values


def flags_of(path: Path, role: str, column: "pl.Series", wanted: str = "0 or 1") -> Values:
    """0 or 1, float64; a text may say true or false. DataError for any other cell, the empty one included."""
    import polars as pl

    if column.dtype == pl.String:
        column = column.str.to_lowercase().replace({"true": "1", "false": "0"}).alias(column.name)
    return numbers_of(path, role, column, wanted, lambda values: (values == 0) | (values == 1))


def _labels(path: Path, column: "pl.Series", plan: Schema) -> NDArray[np.uint8]:
    if plan.positive:
        values = numbers_of(path, "label", column, good=lambda values: ~np.isnan(values))
        return plan.positive(values).astype(np.uint8)
    wanted = '0 or 1 (or set data.schema.positive, such as ">= 4")'
    return flags_of(path, "label", column, wanted).astype(np.uint8)


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
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    moments = np.empty(len(column), dtype=np.int64)
    for row, text in enumerate(column):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise _wrong(path, "time", column, row, "numbers or ISO dates like 2024-05-31 12:00:00") from None
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - epoch
        moments[row] = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return moments


def _features(path: Path, table: "pl.DataFrame", plan: Schema) -> tuple[tuple[Field, ...], list[Ids]]:
    """The fields, and the ids (N,) of each, in the order of the file."""
    import polars as pl

    fields, ids = [], []
    for name in [plan.user, *([plan.item] if plan.item else []), *plan.categorical]:
        if table[name].dtype.is_nested():
            raise DataError(
                f"{path}: column {name!r} holds {table[name].dtype}; name it in data.schema.sequence"
            )
        codes, size = coded(table[name], plan.max_ids)
        fields.append(Field(name, size))
        ids.append(codes)
    for name in plan.numeric:
        codes, size = bucketed(numbers_of(path, "numeric", table[name]))
        fields.append(Field(name, size))
        ids.append(codes)
    for name in plan.sequence:
        if not isinstance(table[name].dtype, pl.String | pl.List):
            raise DataError(
                f"{path}: sequence column {name!r} must hold lists or texts, is {table[name].dtype}"
            )
        places, size = latest(table[name], plan.max_ids)
        fields += [Field(f"{name}_{place}", size) for place in range(1, LAST + 1)]
        ids += list(places.T)
    return tuple(fields), ids
