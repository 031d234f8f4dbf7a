"""Visits: on how many days around an impression its user came, from nothing but who and when."""

import numpy as np
from numpy.typing import NDArray

from ...data.splits import nth_of_user, uniform

Ints = NDArray[np.int64]
Array = NDArray[np.float64]
DAY = 86_400
WEEK = 7
_FAR = 1 << 40


def around(users: Ints, times: Ints) -> tuple[Array, Array]:
    """(before, later), each (N,): active days of the row's user in the seven days before and after its day.

    `times` in seconds; a day begins at midnight UTC. Impressions of the last seven days of a log have a
    `later` that is cut off: leave them out.
    """
    keys = _keys(users, times)
    visits = np.unique(keys)

    def upto(key: Ints) -> NDArray[np.intp]:
        return np.searchsorted(visits, key, side="right")

    before = upto(keys - 1) - upto(keys - 1 - WEEK)
    later = upto(keys + WEEK) - upto(keys)
    return before.astype(np.float64), later.astype(np.float64)


def came_next_day(users: Ints, times: Ints) -> Array:
    """(N,) 1 where the row's user came on the day after, else 0."""
    keys = _keys(users, times)
    return np.isin(keys + 1, keys).astype(np.float64)


def _keys(users: Ints, times: Ints) -> Ints:
    """A number per row that says who came on which day; the next day's is one more."""
    codes = np.unique(users, return_inverse=True)[1].astype(np.int64)
    return np.asarray(codes * _FAR + times // DAY)


def grouped(users: Ints, times: Ints, size: int) -> NDArray[np.intp]:
    """(size, M) rows: impressions of one user that follow each other in time, as slates; no row twice.

    What is left of a user after the last full slate is in none.
    """
    order = np.lexsort((times, users))
    nth, count = nth_of_user(users[order])
    return np.asarray(order[nth < count // size * size].reshape(-1, size).T)


def by_die(slates: NDArray[np.intp], seed: int) -> tuple[Ints, Array]:
    """Which row of each slate (C, M) a fair die picks, (M,), and with what chance, (M,)."""
    size, count = slates.shape
    chosen = (uniform(slates[0].astype(np.int64), seed) * size).astype(np.int64)
    return chosen, np.full(count, 1.0 / size)
