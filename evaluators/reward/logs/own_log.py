"""The user's own log: a file whose columns their signals file names.

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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...data import DataError
from ...data.columns import hashed
from ...data.log import did_you_mean
from ...data.schema import KEYS as OF_LOGS
from ...data.schema import checked
from ...data.table import Spelling, flags_of, no_nulls, numbers_of, table_of
from ...data.user_log import moments_of
from ..settings import Settings
from .log import RewardLog
from .signals import Signals
from .visits import DAY, WEEK, around, by_die, came_next_day, grouped

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[np.float64]
ROLES = ("user", "time", "slate", "shown", "propensity")
SPELLING = ("missing", "encoding")
KEYS: Mapping[str, tuple[Any, str]] = {
    "user": ("user_id", "column that says who"),
    "time": ("timestamp", "column that says when: seconds since 1970 or ISO dates"),
    "slate": ("request_id", "column that says which rows were the candidates of one request"),
    "shown": ("shown", "column that marks one candidate of each request with 1"),
    "propensity": ("propensity", "column of the chance with which it was shown"),
    **{key: OF_LOGS[key] for key in SPELLING},
}
"""The keys of [data.schema], each with an example and its meaning."""
COUNTED = ("later_days", "returned")


def load(path: Path, schema: Mapping[str, Any], signals: Signals, settings: Settings) -> RewardLog:
    """The log of a file. DataError names the column, the row, and what to change."""
    roles = _roles(schema)
    wanted = {column: f"data.schema names as {role}" for role, column in roles.items()}
    wanted |= {
        one.name: f"the signals file names as {one.role}"
        for one in signals.columns
        if one.role != "context" and one.name not in COUNTED
    }
    spelling = Spelling(**{key: checked(key, schema[key]) for key in SPELLING if key in schema})
    table, warnings = table_of(path, wanted, spelling, [one.name for one in signals.columns])
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
    counted = {"later_days": later, "returned": came_next_day(users, times)}
    warnings += _observed(path, signals, columns)
    named = {one.name for one in signals.columns if one.role == "outcome"}
    derived = {name: counted[name] for name in COUNTED if name in named and name not in columns}
    usable = times // DAY < times.max() // DAY - WEEK + 1 if derived else np.ones(len(times), dtype=bool)
    if "slate" in roles:
        slates, chosen, propensity = _given(path, table, roles, usable)
    else:
        rows = np.flatnonzero(usable)
        slates = rows[grouped(users[rows], times[rows], settings.choices)]
        chosen, propensity = by_die(slates, settings.seed)
    log = RewardLog.of_rows(path.name, signals, columns | derived, slates, chosen, propensity, users, before)
    return replace(log, warnings=warnings)


def _observed(path: Path, signals: Signals, columns: Mapping[str, Array]) -> tuple[str, ...]:
    """Warnings about predictions that look observed. DataError where one equals an outcome of the log."""
    outcomes = [one.name for one in signals.columns if one.role == "outcome" and one.name in columns]
    varying = [one.name for one in signals.predictions if np.ptp(columns[one.name])]
    for name in varying:
        for outcome in outcomes:
            if np.array_equal(columns[name], columns[outcome]):
                raise DataError(
                    f"{path}: prediction {name!r} equals outcome {outcome!r} in every row, and what is "
                    "known only after an impression can rank nothing; name one that a model predicted"
                )
    return tuple(
        f"prediction {name!r} holds only 0 and 1, as an outcome does; check that a model predicted it before "
        'the impression, else give it role = "outcome"'
        for name in varying
        if np.isin(columns[name], (0.0, 1.0)).all()
    )


def _roles(schema: Mapping[str, Any]) -> dict[str, str]:
    if unknown := next((key for key in schema if key not in KEYS), None):
        raise DataError(
            f"unknown key data.schema.{unknown}{did_you_mean(unknown, KEYS)}; "
            f"a reward's log has {', '.join(KEYS)}"
        )
    roles = {key: value for key, value in schema.items() if key in ROLES}
    for key, value in roles.items():
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
    return {str(key): str(value) for key, value in roles.items()}


def _numbers(path: Path, role: str, column: "pl.Series") -> Array:
    return numbers_of(path, role, column, "finite numbers", np.isfinite)


def _given(
    path: Path, table: "pl.DataFrame", roles: Mapping[str, str], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.int64], Array]:
    """(C, M) rows of the slates that the file gives, which one was shown, and with what chance."""
    slate, lengths = np.unique(hashed(table[roles["slate"]]), return_inverse=True, return_counts=True)[1:]
    shown = flags_of(path, "shown", table[roles["shown"]])
    chance = _numbers(path, "propensity", table[roles["propensity"]])
    size = int(np.bincount(lengths).argmax())
    if size < 2:
        raise DataError(f"{path}: most slates have one candidate, so there is nothing to choose from")
    order = np.argsort(slate, kind="stable")
    slates = order[lengths[slate[order]] == size].reshape(-1, size).T
    marks = shown[slates]
    if (wrong := marks.sum(axis=0) != 1).any():
        row = int(slates[0, wrong.argmax()]) + 1
        raise DataError(f"{path}: the slate of row {row} must mark exactly one candidate as shown")
    chosen = marks.argmax(axis=0)
    first = slates[chosen, np.arange(slates.shape[1])]
    kept = usable[first]
    return slates[:, kept], chosen[kept].astype(np.int64), chance[first][kept]
