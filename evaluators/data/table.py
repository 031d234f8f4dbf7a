"""A log's file as a table: CSV or TSV, which may be compressed by gzip, or Parquet."""

import csv
import gzip
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .log import DataError, DataUnavailable, did_you_mean

if TYPE_CHECKING:
    import polars as pl

READERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t", ".parquet": ""}
"""File endings, with the separator of those that are text."""
SEPARATORS = ",;\t|"
GZIP = b"\x1f\x8b"
RENAMED = "_duplicated_0"
"""What polars adds to the name of the second column of one name."""
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a file writes its cells: `missing` are words for an empty one, `encoding` is that of a text."""

    missing: Sequence[str] = ()
    encoding: str = "utf-8"


def is_log(path: Path) -> bool:
    """Whether the name ends as that of a log does."""
    return path.name.lower().endswith(tuple(READERS))


def table_of(
    path: Path,
    wanted: Mapping[str, str],
    spelling: Spelling = Spelling(),
    optional: Collection[str] = (),
    asked: str = "data.source",
) -> tuple["pl.DataFrame", tuple[str, ...]]:
    """The `wanted` columns of a log's file, the `optional` ones that it has, and warnings.

    Columns of a text file are all text; an empty cell is null. The separator of a text file is the most
    frequent of comma, semicolon, tab and bar in its header. `wanted` says who names a column, `asked`
    is what the path of a log is given to. DataError where the file cannot be read, lacks a column, or holds
    no rows.
    """
    import polars as pl

    if not is_log(path):
        raise DataError(f"{path} must end in {', '.join(READERS)}, got {path.suffix or 'no ending'!r}")
    if not path.is_file():
        raise DataUnavailable(f"there is no file {path.absolute()}; give {asked} the path of your log")
    try:
        if path.suffix.lower() == ".parquet":
            names = list(pl.read_parquet_schema(path))
            _require(path, names, wanted)
            table = pl.read_parquet(path, columns=[name for name in names if name in {*wanted, *optional}])
        else:
            text = _text_table(path, spelling.encoding)
            names = text.columns
            _require(path, names, wanted)
            table = text.select(name for name in names if name in {*wanted, *optional})
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as why:
        raise DataError(f"{path} cannot be read: {str(why).splitlines()[0]}") from why
    if not table.height:
        raise DataError(f"{path} holds no rows")
    table = table.with_columns(pl.col(pl.Categorical).cast(pl.String))
    table = table.with_columns(pl.col(pl.String).replace(["", *spelling.missing], None))
    return table, (*_named_twice(table.columns, names), *_repeated(table))


def _require(path: Path, names: Sequence[str], wanted: Mapping[str, str]) -> None:
    for column, why in wanted.items():
        if column not in names:
            raise DataError(
                f"{path} has no column {column!r}, which {why}{did_you_mean(column, names)}; "
                f"its columns are {', '.join(names)}"
            )


def _opened(path: Path, encoding: str) -> TextIOWrapper:
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP  # as polars tells, whatever the name says
    if compressed:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _text_table(path: Path, encoding: str) -> "pl.DataFrame":
    import polars as pl

    try:
        with _opened(path, encoding) as file:
            header = file.readline()
            separator = max(SEPARATORS, key=lambda one: (header.count(one), one == _usual(path)))
            content = path if encoding == "utf-8" else BytesIO((header + file.read()).encode())
        table = pl.read_csv(content, separator=separator, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path} is empty: a log needs a header and rows") from None
    except (UnicodeDecodeError, pl.exceptions.ComputeError) as why:
        if isinstance(why, UnicodeDecodeError) or "utf-8" in str(why):
            raise DataError(
                f'{path} is no {encoding} text: set data.schema.encoding, such as "latin-1", or convert it'
            ) from None
        if "more fields" not in str(why):
            raise
        raise DataError(_too_long(path, encoding, separator)) from None
    if table.width == 1:
        raise DataError(
            f"{path} has one column, {table.columns[0]!r}: its header must part columns by a comma, a "
            "semicolon, a tab or a bar"
        )
    return table


def _usual(path: Path) -> str:
    """The separator that the file's ending stands for."""
    return next(READERS[ending] for ending in READERS if path.name.lower().endswith(ending))


def _too_long(path: Path, encoding: str, separator: str) -> str:
    """What to say of a file with a line of more fields than the header has."""
    with _opened(path, encoding) as file:
        rows = csv.reader(file, delimiter=separator)
        width, found = len(next(rows)), None
        with suppress(csv.Error):  # a quote that nothing closes makes one field of all that follows
            found = next(((rows.line_num, len(row)) for row in rows if len(row) > width), None)
    where, fields = (f"line {found[0]}", str(found[1])) if found else ("a line", "more")
    return (
        f"{path}: {where} has more fields than the header, {fields} to {width}: put quotes around a text "
        f"that holds {separator!r}, or repair the line"
    )


def _named_twice(used: Sequence[str], names: Sequence[str]) -> list[str]:
    return [
        f"several columns are called {name!r}; the first is used" for name in used if name + RENAMED in names
    ]


def _repeated(table: "pl.DataFrame") -> list[str]:
    if not (again := table.height - table.hash_rows().n_unique()):
        return []
    return [
        f"{again:,} of {table.height:,} rows repeat an earlier row in every column that is read; remove them "
        "if the same impression was logged twice"
    ]


def no_nulls(path: Path, role: str, column: "pl.Series") -> None:
    if empty := column.null_count():
        row = int(column.is_null().arg_max() or 0) + 1
        raise DataError(
            f"{path}: {role} column {column.name!r} is empty in row {row}, in {empty} of {len(column)} rows; "
            "fill them or leave such rows out"
        )


def wrong_cell(path: Path, role: str, column: "pl.Series", row: int, wanted: str) -> DataError:
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
    values = numbers.fill_null(float("nan")).to_numpy()
    wrong = (numbers.is_null() & column.is_not_null()).to_numpy() | ~good(values)
    if wrong.any():
        raise wrong_cell(path, role, column, int(wrong.argmax()), wanted)
    return values


def flags_of(path: Path, role: str, column: "pl.Series", wanted: str = "0 or 1") -> Values:
    """0 or 1, float64; a text may say true or false. DataError for any other cell, the empty one included."""
    import polars as pl

    if column.dtype == pl.String:
        column = column.str.to_lowercase().replace({"true": "1", "false": "0"}).alias(column.name)
    return numbers_of(path, role, column, wanted, lambda values: (values == 0) | (values == 1))
