"""Formats of readings: the rows of a CSV, Parquet or JSON file that nobody vouches for, in bounded memory."""

import csv
import io
import json
import multiprocessing
import os
import re
import resource
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import Any

import polars as pl

from ...evaluators.data import DataError

COLUMNS: Mapping[str, str] = {
    "experiment": "id of the experiment, as in the manifest",
    "day": "ISO date (UTC) on which these users entered the experiment; a user has one day for good",
    "arm": "treatment or control",
    "metric": "name of a metric of the manifest",
    "count": "users who entered on that day, 1 or more, whole",
    "mean": "mean of the metric over these users, since each one's entry",
    "variance": "sample variance over these users (denominator count - 1; 0 of one user)",
    "revision": "0, and one more each time a row already sent is sent corrected; may be left out",
}
"""The columns of a file of readings, and what they mean."""
REQUIRED = tuple(name for name in COLUMNS if name != "revision")
NUMBERS = ("count", "mean", "variance", "revision")
MOST_BYTES = 32 * 2**20
"""Of a file, and of the text of its columns once decoded."""
MOST_ROWS = 100_000
DECODER = {resource.RLIMIT_DATA: 2**30, resource.RLIMIT_CPU: 30, resource.RLIMIT_CORE: 0}
"""What the process that decodes a Parquet file may use: bytes of memory, seconds of CPU; no core dump."""
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

Row = Mapping[str, Any]


def parse(data: bytes, form: str) -> Sequence[Row]:
    """The rows of a CSV, Parquet or JSON text, unchecked. DataError where it is no table of readings.

    What would be large once decoded is refused before it is decoded.
    """
    if len(data) > MOST_BYTES:
        raise DataError(f"expected at most {MOST_BYTES:,} bytes, got {len(data):,}: send them in parts")
    try:
        if form == "csv":
            rows = _from_csv(_text(data))
        elif form == "parquet":
            rows = _from_parquet(data)
        elif form == "json":
            rows = _from_json(_text(data))
        else:
            raise DataError(f"expected readings as .csv, .parquet or .json, got .{form}")
    except (
        pl.exceptions.PolarsError,
        csv.Error,
        UnicodeDecodeError,
        json.JSONDecodeError,
        RecursionError,
    ) as error:
        raise DataError(f"these bytes are no {form} of readings: {error}") from None
    if not rows:
        raise DataError("there are no rows in it")
    return rows


def _text(data: bytes) -> str:
    """The text of CSV or JSON. DataError where it has more values than so many rows can have."""
    if sum(map(data.count, (b",", b"[", b"{"))) > (MOST_ROWS + 1) * (len(COLUMNS) + 1):
        raise _too_many()
    return data.decode("utf-8-sig")


def _too_many() -> DataError:
    return DataError(f"expected at most {MOST_ROWS:,} rows, got more: send them in parts")


def _from_csv(text: str) -> Sequence[Row]:
    """Rows whose numbers are read where they are plain decimals; anything else stays text."""
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(table, [])
    _require_columns(header)
    lines = list(islice((line for line in table if line), MOST_ROWS + 1))
    if len(lines) > MOST_ROWS:
        raise _too_many()
    if wrong := next((number for number, line in enumerate(lines, 1) if len(line) != len(header)), 0):
        raise DataError(
            f"these bytes are no csv of readings: row {wrong} has {len(lines[wrong - 1])} values under "
            f"{len(header)} columns"
        )
    return [
        {
            name: float(value) if name in NUMBERS and DECIMAL.fullmatch(value) else value
            for name, value in zip(header, line, strict=True)
        }
        for line in lines
    ]


def _from_parquet(data: bytes) -> Sequence[Row]:
    """The rows, decoded in a process of its own.

    How large a page becomes shows only while it is decoded, and some damaged files abort the process.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _confine) as decoder:
        try:
            return decoder.submit(_decoded, data).result().to_dicts()
        except (BrokenProcessPool, MemoryError):
            memory, seconds = DECODER[resource.RLIMIT_DATA], DECODER[resource.RLIMIT_CPU]
            raise DataError(
                "these bytes are no parquet of readings, or to decode them needs more than "
                f"{memory:,} bytes of memory or {seconds} s: send the rows as .csv or .json"
            ) from None


def _confine() -> None:
    """Limits this process, and silences what it would say where it is ended for that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for limit, most in DECODER.items():
        resource.setrlimit(limit, (most, most))


def _decoded(data: bytes) -> pl.DataFrame:
    """`_table`, where an error that cannot be sent to another process is a DataError."""
    try:
        return _table(data)
    except pl.exceptions.PanicException as error:
        raise DataError(f"these bytes are no parquet of readings: {error}") from None


def _table(data: bytes) -> pl.DataFrame:
    """A table whose columns, types and length are known from its footer before it is decoded."""
    lazy = pl.scan_parquet(io.BytesIO(data))
    schema = lazy.collect_schema()
    _require_columns(schema.names())
    if nested := [name for name, kind in schema.items() if kind.is_nested() or kind == pl.Binary]:
        raise DataError(
            f"expected one text, number or date in each cell, got {schema[nested[0]]} in {nested[0]}"
        )
    if lazy.select(pl.len()).collect().item() > MOST_ROWS:
        raise _too_many()
    frame = lazy.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String)).collect()
    lengths = frame.select(pl.col(pl.String).str.len_bytes().sum()).row(0)
    if sum(lengths) > MOST_BYTES:  # one long text may be told once and stand in every row
        raise DataError(f"expected at most {MOST_BYTES:,} bytes of text, got {sum(lengths):,}")
    return frame


def _from_json(text: str) -> Sequence[Row]:
    """The rows of a list of objects, or of an object whose `rows` is one."""
    found = json.loads(text, parse_int=float, object_pairs_hook=_object)
    rows = found.get("rows") if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise DataError('expected a list of readings, or {"rows": [...]}, each an object')
    if len(rows) > MOST_ROWS:
        raise _too_many()
    return rows


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object, whose names JSON lets stand twice. DataError where one does."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError(
            f"expected each name once in an object, got {', '.join(shown(name) for name, _ in pairs[:9])}"
        )
    return found


def _require_columns(columns: Iterable[str]) -> None:
    columns = list(columns)
    if len(set(columns)) < len(columns):
        raise DataError(f"expected each column once, got {', '.join(map(shown, columns[:9]))}")
    missing, unknown = set(REQUIRED) - set(columns), set(columns) - set(COLUMNS)
    if missing or unknown:
        parts = [f"missing: {', '.join(sorted(missing))}"] if missing else []
        parts += [f"not known: {', '.join(map(shown, sorted(unknown)[:9]))}"] if unknown else []
        raise DataError(
            f"expected the columns {', '.join(REQUIRED)} and, for corrections, revision; {'; '.join(parts)}"
        )


def shown(value: Any) -> str:
    """The value in a message: its beginning, without what no terminal or archive should get."""
    if isinstance(value, str):
        return repr(value[:40])[1:-1]
    return str(value) if isinstance(value, bool | int | float | Decimal | date) else type(value).__name__
