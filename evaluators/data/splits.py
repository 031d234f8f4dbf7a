"""Which rows are learnt from, and which are held out for the search, for selection, and for the claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapreplace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .log import DataError, Log

Rows = NDArray[np.int64]

NAMES = ("search", "selection", "claim")
HELD_OUT = 3
"""By user: one row of this many is held out, the last ones."""
WINDOWS = {"search": (0.55, 0.7), "selection": (0.7, 0.85), "claim": (0.85, 1.0)}
"""By time: from which share of the rows to which each split holds out; it learns from all before."""


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers, ascending: `train` to learn from, and held-out rows per fold; no user in two folds."""

    train: Rows
    folds: tuple[Rows, ...]

    @property
    def held_out(self) -> Rows:
        """The rows of all folds, ascending."""
        return np.sort(np.concatenate(self.folds))


def split(
    log: Log, *, by: Literal["user", "time"] = "user", folds: int = 10, seed: int = 0
) -> Mapping[str, Split]:
    """The splits "search", "selection" and "claim": no row is held out twice, no user in two folds of one.

    Nothing in "search" touches a row that the other two hold out. Inside a split, users are dealt to the
    folds so that these are about equally long.

    by="user": the last third of each user's rows belongs to selection for one half of the users and to claim
    for the other; a seeded hash decides, so a user stays where they are when the log grows. Both learn from
    all rows before. The search has only these: it holds out the last third of them, of every user, and learns
    from the rest. What is left of a division by three is rounded by the hash, so a third of all users with
    one row is held out cold. Training rows may be later than held-out rows of other users.

    by="time": windows that grow: each split holds out the next 15 % of the rows and learns from every row
    before them (55, 70 and 85 %). Every training row is strictly earlier than every held-out one: rows at the
    boundary's own time are held out.

    Fewer users than folds, a fold without both labels, nothing to learn from: DataError with what to change.
    """
    if folds < 1:
        raise DataError(f"a split needs at least one fold, got folds = {folds}")
    people, codes = np.unique(log.users, return_inverse=True)
    _require_users(log, len(people), folds)
    luck = uniform(people, seed + 1)
    parts = _by_user(codes, people, seed) if by == "user" else _windows(log.times)
    made = {}
    for name in NAMES:
        train, mine = parts[name]
        fold_of = _deal(codes[mine], luck, folds)
        rows = tuple(mine[fold_of == fold] for fold in range(folds))
        if len(train):  # a split without is told by what it lacks
            where = f" in the held-out rows of the {name} split"
            _require_users(log, len(np.unique(codes[mine])), folds, where)
        _check(log, name, train, rows)
        made[name] = Split(train, rows)
    return made


def _by_user(codes: Rows, people: Rows, seed: int) -> dict[str, tuple[Rows, Rows]]:
    """(training rows, held-out rows) of each split, cut by each user's own clock."""
    late = _last_third(codes, people, seed + 2)
    early = np.flatnonzero(~late)
    recent = _last_third(codes[early], people, seed + 3)
    claimed = uniform(people, seed)[codes] < 0.5
    return {
        "search": (early[~recent], early[recent]),
        "selection": (early, np.flatnonzero(late & ~claimed)),
        "claim": (early, np.flatnonzero(late & claimed)),
    }


def uniform(people: Rows, seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) per user, from id and seed: the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = people.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53


def _deal(codes: Rows, luck: NDArray[np.float64], folds: int) -> Rows:
    """The fold of each held-out row: the users with the most rows first, each to the fold with the fewest."""
    counts = np.bincount(codes, minlength=len(luck))
    order = np.lexsort((luck, -counts))[: np.count_nonzero(counts)]
    dealt = np.zeros(len(luck), dtype=np.int64)
    loads = [(0, fold) for fold in range(folds)]
    for user, rows in zip(order.tolist(), counts[order].tolist(), strict=True):
        load, dealt[user] = loads[0]
        heapreplace(loads, (load + rows, int(dealt[user])))
    return dealt[codes]


def _last_third(codes: Rows, people: Rows, seed: int) -> NDArray[np.bool_]:
    """Whether each row is among the last third of its user's, the rows being in time order."""
    rounding = np.floor(uniform(people, seed) * HELD_OUT).astype(np.int64)[codes]
    nth, count = nth_of_user(codes)
    return np.asarray(nth >= count - (count + rounding) // HELD_OUT)


def nth_of_user(users: Rows) -> tuple[Rows, Rows]:
    """(N,) each: a row's place among its user's, from 0 in the order of the rows, and how many these are."""
    codes, counts = np.unique(users, return_inverse=True, return_counts=True)[1:]
    nth = np.empty(len(users), dtype=np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    nth[np.argsort(codes, kind="stable")] = np.arange(len(users)) - starts
    return nth, counts[codes]


def _windows(times: Rows) -> dict[str, tuple[Rows, Rows]]:
    """(training rows, held-out rows) of each window, cut between two different times."""
    rows = np.arange(len(times))
    cuts = {name: [_cut(times, share) for share in WINDOWS[name]] for name in NAMES}
    return {name: (rows[:start], rows[start:stop]) for name, (start, stop) in cuts.items()}


def _cut(times: Rows, share: float) -> int:
    """The first row at the time that this share of the rows reaches."""
    row = round(share * len(times))
    return row if row == len(times) else int(np.searchsorted(times, times[row], side="left"))


def _require_users(log: Log, users: int, folds: int, where: str = "") -> None:
    if users < folds:
        raise DataError(
            f"{log.name}: {users} user{'s' * (users != 1)}{where}; {folds} folds need at least {folds}: use "
            "fewer folds, a longer log, or the other way to split (user, time)"
        )


def _check(log: Log, name: str, train: Rows, folds: tuple[Rows, ...]) -> None:
    wanted = [("training rows", train)] + [
        (f"fold {k + 1} of {len(folds)}", rows) for k, rows in enumerate(folds)
    ]
    for part, rows in wanted:
        positive = int(log.labels[rows].sum())
        if 0 < positive < len(rows):
            continue
        raise DataError(
            f"{log.name}: the {name} split needs both labels in its {part}, got {len(rows)} rows of which "
            f"{positive} have label 1; use fewer folds, a longer log, or the other way to split (user, time)"
        )
