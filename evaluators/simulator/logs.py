"""Logs of behaviour: the user's own file, or what a built-in log tells of behaviour.

A file has one row per impression and these columns; others are left alone:

- `user`: who, any text or number;
- `time`: seconds since 1970, or a date in ISO 8601, UTC unless it names a zone;
- `clicked`: 0 or 1; `watched`: seconds, 0 or more, 0 where it was not played;
- `liked`, `hated`: 0 or 1; may be absent, and then nothing is said of likes or of hates.
"""

from pathlib import Path

import numpy as np

from ..data import DataError, load
from ..data.table import READERS, flags_of, is_log, no_nulls, numbers_of, table_of
from ..data.user_log import moments_of
from .behaviour import Behaviour

DAY = 86_400
REQUIRED, OPTIONAL = ("user", "time", "clicked", "watched"), ("liked", "hated")
FLAGS = ("clicked", *OPTIONAL)
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
    if not is_log(path):
        raise DataError(
            f"{log!r} is neither a file ending in {', '.join(READERS)} nor a built-in log that tells of "
            f"behaviour: {', '.join(BUILT_IN)}"
        )
    wanted = dict.fromkeys(REQUIRED, "calibration needs")
    table, _ = table_of(path, wanted, optional=OPTIONAL, asked="the command")
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in table.columns]
    for name in names:
        no_nulls(path, name, table[name])
    columns = {name: flags_of(path, name, table[name]) for name in names if name in FLAGS}
    seconds = "seconds, 0 or more"
    columns["watched"] = numbers_of(
        path, "watched", table["watched"], seconds, lambda values: (values >= 0) & (values < np.inf)
    )
    _, times = moments_of(path, table, "time")
    if np.ptp(times) > CENTURY:
        raise DataError(
            f"{path}: column 'time' must hold seconds since 1970, its rows span "
            f"{np.ptp(times) / CENTURY:.0f} centuries; divide milliseconds by 1000"
        )
    users = table["user"].rank("dense").to_numpy().astype(np.int64)
    return Behaviour(users, times // DAY, **columns)
