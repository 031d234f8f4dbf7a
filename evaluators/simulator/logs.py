"""Logs of behaviour: the user's own file, or what a built-in log tells of behaviour.

A file has one row per impression and these columns; others are left alone:

- `user`: who, any text or number;
- `time`: seconds since 1970, or a date in ISO 8601, UTC unless it names a zone;
- `clicked`: 0 or 1; `watched`: seconds, 0 or more, 0 where it was not played;
- `liked`, `hated`: 0 or 1; may be absent, and then nothing is said of likes or of hates.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data import DataError, load
from ..data.user_log import READERS, table_of
from .behaviour import Behaviour, Values

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400
REQUIRED, OPTIONAL = ("user", "time", "clicked", "watched"), ("liked", "hated")
BUILT_IN = {
    "movielens-100k": "when people came; ratings are no impressions, so nothing of clicks, watching or likes",
    "open-bandit": "clicks; it names no people, so nothing of returns",
}
"""What the built-in logs tell."""
CENTURY = 100 * 365.25 * DAY


def read(log: str) -> Behaviour:
    """The behaviour in a file or in the built-in log of this name. DataError: what is wrong, and where."""
    if log == "movielens-100k":
        ratings = load({"source": log})
        return Behaviour(ratings.users, ratings.times // DAY)
    if log == "open-bandit":
        bandit = load({"source": log})
        nobody = np.arange(len(bandit), dtype=np.int64)
        return Behaviour(nobody, bandit.times // DAY, clicked=bandit.labels.astype(np.float64))
    path = Path(log).expanduser()
    if path.suffix.lower() not in READERS:
        raise DataError(
            f"{log!r} is neither a file ending in {', '.join(READERS)} nor a built-in log that tells of "
            f"behaviour: {', '.join(BUILT_IN)}"
        )
    table = _table(path)
    columns: dict[str, Values] = {}
    for name, wanted, good in _CHECKS:
        if name in table.columns:
            columns[name] = _numbers(path, table[name], wanted, good)
    seconds = _seconds(path, table["time"])
    if np.ptp(seconds) > CENTURY:
        raise DataError(
            f"{path}: column 'time' must hold seconds since 1970, its rows span "
            f"{np.ptp(seconds) / CENTURY:.0f} centuries; divide milliseconds by 1000"
        )
    users = table["user"].rank("dense").to_numpy().astype(np.int64)
    return Behaviour(users, np.floor_divide(seconds, DAY).astype(np.int64), **columns)


Check = Callable[[Values], NDArray[np.bool_]]
_CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("clicked", "0 or 1", lambda values: (values == 0) | (values == 1)),
    ("watched", "seconds, 0 or more", lambda values: (values >= 0) & (values < np.inf)),
    ("liked", "0 or 1", lambda values: (values == 0) | (values == 1)),
    ("hated", "0 or 1", lambda values: (values == 0) | (values == 1)),
)


def _table(path: Path) -> "pl.DataFrame":
    """The columns that are needed, and those that may be there; texts without spaces around them."""
    import polars as pl

    table = table_of(path, "the command")
    if missing := [name for name in REQUIRED if name not in table.columns]:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(table.columns)}. "
            f"Calibration needs {', '.join(REQUIRED)}, and uses "
            f"{' and '.join(OPTIONAL)} where they are: rename yours"
        )
    if not table.height:
        raise DataError(f"{path} holds no rows")
    table = table.select([name for name in (*REQUIRED, *OPTIONAL) if name in table.columns])
    table = table.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    for name in table.columns:
        if empty := table[name].null_count():
            row = int(table[name].is_null().arg_max() or 0) + 1
            raise DataError(
                f"{path}: column {name!r} is empty in row {row}, in {empty} of {table.height} rows; "
                "fill them or leave such rows out"
            )
    return table


def _numbers(path: Path, column: "pl.Series", wanted: str, good: Check) -> Values:
    """float64, every one of them good; a text may say true or false."""
    import polars as pl

    if column.dtype == pl.String:
        column = column.str.to_lowercase().replace({"true": "1", "false": "0"}).alias(column.name)
    try:
        values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().astype(np.float64)
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}: column {column.name!r} must hold {wanted}, is {column.dtype}") from None
    if not (fine := good(values)).all():
        raise _wrong(path, column, int((~fine).argmax()), wanted)
    return values


def _seconds(path: Path, column: "pl.Series") -> Values:
    """Seconds since 1970, float64."""
    import polars as pl

    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return column.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy() / 1e6
    wanted = "seconds since 1970 or ISO dates like 2024-05-31 12:00:00"
    if column.dtype != pl.String or column.head(1).cast(pl.Float64, strict=False).null_count() == 0:
        return _numbers(path, column, wanted, np.isfinite)
    seconds = np.empty(len(column))
    for row, text in enumerate(column):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise _wrong(path, column, row, wanted) from None
        seconds[row] = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds


def _wrong(path: Path, column: "pl.Series", row: int, wanted: str) -> DataError:
    return DataError(
        f"{path}: column {column.name!r} must hold {wanted}, row {row + 1} holds {column[row]!r}"
    )
