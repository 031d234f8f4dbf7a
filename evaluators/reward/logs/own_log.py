"""The user's own log: a CSV, TSV or Parquet file whose columns their signals file names.

Two forms. With `slate` in [data.schema], rows that share it are the candidates of one request, exactly one
of which `shown` marks with 1, and `propensity` holds the chance with which it was; its row holds the
outcomes. Requests of another size than the most frequent are left out. Without `slate` every row was shown:
consecutive impressions of a user are taken as slates, of which a fair die picks one, as for a table that is
fully observed (Dudik, Langford and Li 2011, https://arxiv.org/abs/1103.4601). That answers which of the items
that a user was shown were followed by more, and is as good as the exposure was even.

`user` and `time` name the columns that say who and when. An outcome `later_days` or `returned` that the file
does not hold is counted from them: active days in the next seven, whether the user came the next day; rows of
the log's last seven days, whose week is cut off, are then left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...data import DataError
from ...data.columns import hashed
from ...data.log import did_you_mean
from ...data.splits import uniform
from ...data.user_log import moments_of, no_nulls, numbers_of, table_of
from ..settings import Settings
from .log import RewardLog
from .signals import Signals
from .visits import DAY, WEEK, around, came_next_day, grouped

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]
ROLES = ("user", "time", "slate", "shown", "propensity")
COUNTED = ("later_days", "returned")


def load(path: Path, schema: Mapping[str, Any], signals: Signals, settings: Settings) -> RewardLog:
    """The log of a file. DataError names the column, the row, and what to change."""
    roles = _roles(schema)
    table = _read(path, roles, signals)
    for role in ("user", "time", *(("slate",) if "slate" in roles else ())):
        no_nulls(path, role, table[roles[role]])
    users = hashed(table[roles["user"]])
    _, times = moments_of(path, table, roles["time"])
    before, later = around(users, times)
    columns = {
        one.name: _numbers(path, one.role, table[one.name])
        for one in signals.columns
        if one.name in table.columns
    }
    columns |= _counted(columns, signals, users, times, later)
    derived = [name for name in COUNTED if name in columns and name not in table.columns]
    usable = times // DAY < times.max() // DAY - WEEK + 1 if derived else np.ones(len(times), dtype=bool)
    if "slate" in roles:
        slates, chosen, propensity = _given(path, table, roles, usable)
    else:
        rows = np.flatnonzero(usable)
        slates = rows[grouped(users[rows], times[rows], settings.choices)]
        chosen = (uniform(slates[0].astype(np.int64), settings.seed) * len(slates)).astype(np.int64)
        propensity = np.full(len(chosen), 1.0 / len(slates))
    shown = slates[chosen, np.arange(slates.shape[1])]
    outcomes = {one.name for one in signals.columns if one.role == "outcome"}
    return RewardLog(
        name=path.name,
        signals=signals,
        columns={name: column[slates] for name, column in columns.items() if name not in outcomes},
        chosen=chosen,
        propensity=propensity,
        outcomes={name: column[shown] for name, column in columns.items() if name in outcomes},
        user=users[shown],
        before=before[shown],
    )


def _roles(schema: Mapping[str, Any]) -> dict[str, str]:
    for key, value in schema.items():
        if key not in ROLES:
            raise DataError(
                f"unknown key data.schema.{key}{did_you_mean(key, ROLES)}; "
                f"a reward's log has {', '.join(ROLES)}"
            )
        if not isinstance(value, str) or not value:
            raise DataError(f"data.schema.{key} must name a column, got {value!r}")
    for key in ("user", "time"):
        if key not in schema:
            raise DataError(f"data.schema.{key} is missing: name the column of the log that says {key}")
    together = {"slate", "shown", "propensity"} & schema.keys()
    if together and len(together) < 3:
        missing = sorted({"slate", "shown", "propensity"} - together)
        raise DataError(
            f"data.schema has {', '.join(sorted(together))} without {', '.join(missing)}: a log of slates "
            "needs all three, a log of impressions none"
        )
    return {str(key): str(value) for key, value in schema.items()}


def _read(path: Path, roles: Mapping[str, str], signals: Signals) -> "pl.DataFrame":
    import polars as pl

    table = table_of(path)
    wanted = {column: f"data.schema.{role}" for role, column in roles.items()}
    wanted |= {
        one.name: f"the signals file as {one.role}"
        for one in signals.columns
        if one.role != "context" and one.name not in COUNTED
    }
    for column, by in wanted.items():
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r}, which is named by {by}"
                f"{did_you_mean(column, table.columns)}; "
                f"it has {', '.join(table.columns)}"
            )
    if not table.height:
        raise DataError(f"{path} holds no rows")
    return table.with_columns(pl.col(pl.String).replace("", None))


def _numbers(path: Path, role: str, column: "pl.Series") -> Array:
    values = numbers_of(path, role, column)
    if (wrong := ~np.isfinite(values)).any():
        raise DataError(
            f"{path}: {role} {column.name!r} must hold numbers, row {int(wrong.argmax()) + 1} is empty; fill "
            "such cells or leave such rows out"
        )
    return values


def _counted(
    columns: Mapping[str, Array], signals: Signals, users: NDArray[Any], times: NDArray[Any], later: Array
) -> dict[str, Array]:
    """The outcomes that the signals name, the file does not hold, and who and when tell."""
    named = {one.name for one in signals.columns if one.role == "outcome"}
    found = {}
    if "later_days" in named and "later_days" not in columns:
        found["later_days"] = later
    if "returned" in named and "returned" not in columns:
        found["returned"] = came_next_day(users, times)
    return found


def _given(
    path: Path, table: "pl.DataFrame", roles: Mapping[str, str], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.int64], Array]:
    """(C, M) rows of the slates that the file gives, which one was shown, and with what chance."""
    ids = hashed(table[roles["slate"]])
    shown = _numbers(path, "shown", table[roles["shown"]])
    if ((shown != 0) & (shown != 1)).any():
        raise DataError(f"{path}: column {roles['shown']!r} must hold 0 or 1")
    chance = _numbers(path, "propensity", table[roles["propensity"]])
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.r_[True, ids[order][1:] != ids[order][:-1]])
    lengths = np.diff(np.r_[starts, len(ids)])
    size = int(np.bincount(lengths).argmax())
    if size < 2:
        raise DataError(f"{path}: most slates have one candidate, so there is nothing to choose from")
    slates = order[starts[lengths == size][:, None] + np.arange(size)].T
    marks = shown[slates]
    if (wrong := marks.sum(axis=0) != 1).any():
        row = int(slates[0, wrong.argmax()]) + 1
        raise DataError(f"{path}: the slate of row {row} must mark exactly one candidate as shown")
    chosen = marks.argmax(axis=0)
    first = slates[chosen, np.arange(slates.shape[1])]
    kept = usable[first]
    return slates[:, kept], chosen[kept].astype(np.int64), chance[first][kept]
