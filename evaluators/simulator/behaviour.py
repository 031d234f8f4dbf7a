"""Behaviour: what people did, in a log or simulated, and the figures that the two are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .sessions import Policy, highest, live
from .world import Users, World

Values = NDArray[np.float64]
LONG = 18.0
"""Seconds from which a view is a long one, as KuaiRand defines it for longer videos."""
WINDOW = 56
"""Returns are counted in the last days of a log, so many: gaps grow with the time that one watches."""
EVENTS = 20
"""A figure needs this many events behind it, or it is not given."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """One row per impression, N in all. None where a log does not tell.

    `user` (N,) int64; `day` (N,) int64, whole days; `clicked` (N,) 0 or 1; `watched` (N,) seconds;
    `liked` and `hated` (N,) in [0, 1]: flags, or for simulated people the chances that flags are drawn from,
    which give the same figures with less noise.
    """

    user: NDArray[np.int64]
    day: NDArray[np.int64]
    clicked: Values | None = None
    watched: Values | None = None
    liked: Values | None = None
    hated: Values | None = None


Scale = Literal["share", "auc", "log", "plain"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to compare behaviour by: what it is, its scale, and which difference there counts as 1."""

    words: str
    scale: Scale
    tolerance: float

    def transformed(self, value: float) -> float:
        """The value on the scale that differences are taken on."""
        match self.scale:
            case "share":
                inside = min(max(value, 1e-6), 1 - 1e-6)
                return float(np.log(inside / (1 - inside)))
            case "log":
                return float(np.log(max(value, 1e-6)))
            case _:
                return value

    def distance(self, real: float, simulated: float) -> float:
        """Simulated less real, in tolerances."""
        return (self.transformed(simulated) - self.transformed(real)) / self.tolerance


FIGURES: Mapping[str, Figure] = {
    "click_rate": Figure("clicks per impression", "share", 0.1),
    "long_view_rate": Figure(f"views above {LONG:g} seconds per impression", "share", 0.1),
    "log_watch_mean": Figure("mean log seconds of what was clicked", "plain", 0.05),
    "log_watch_sd": Figure("standard deviation of log seconds of what was clicked", "plain", 0.05),
    "like_rate": Figure("likes per impression", "share", 0.1),
    "hate_rate": Figure("hates per impression", "share", 0.1),
    "clicked_of_liked": Figure("share of the liked that was clicked", "share", 0.1),
    "clicked_of_hated": Figure("share of the hated that was clicked", "share", 0.1),
    "long_of_liked": Figure("share of the liked with a long view", "share", 0.2),
    "long_of_hated": Figure("share of the hated with a long view", "share", 0.2),
    "auc_watched": Figure("AUC of seconds watched, liked against hated", "auc", 0.02),
    "auc_clicked": Figure("AUC of the click, liked against hated", "auc", 0.02),
    "next_day": Figure("share of returns that come on the next day", "share", 0.1),
    "mean_gap": Figure("mean days between a user's active days", "log", 0.1),
    "busiest_tenth": Figure("share of active days that the busiest tenth of users has", "share", 0.1),
}

KUAIRAND: Mapping[str, float] = {
    "click_rate": 0.378,
    "long_view_rate": 0.262,
    "like_rate": 0.0156,
    "clicked_of_liked": 0.717,
    "clicked_of_hated": 0.405,
    "long_of_liked": 0.519,
    "long_of_hated": 0.223,
    "auc_watched": 0.672,
    "auc_clicked": 0.656,
    "next_day": 0.636,
    "mean_gap": 2.65,
}
"""Figures of KuaiRand (Gao et al. 2022, arXiv:2208.08696): rates from KuaiRand-1K, likes against hates from a
sample of 41,828 events, returns from 231,829 user-days of KuaiRand-Pure as published in
github.com/HyunWrites0721/diversity-retention-kuairand. Its "valid play" is our click."""


def figures(behaviour: Behaviour) -> dict[str, float]:
    """The figures that this behaviour gives; those with fewer than EVENTS events behind them are left out."""
    found: dict[str, float] = {}
    b = behaviour
    if b.clicked is not None and _enough(b.clicked):
        found["click_rate"] = float(b.clicked.mean())
    if b.watched is not None:
        long = (b.watched > LONG).astype(np.float64)
        if _enough(long):
            found["long_view_rate"] = float(long.mean())
        logs = np.log(b.watched[b.watched > 0])
        if len(logs) >= EVENTS:
            found |= {"log_watch_mean": float(logs.mean()), "log_watch_sd": float(logs.std())}
    for name, rate, flags in (("liked", "like_rate", b.liked), ("hated", "hate_rate", b.hated)):
        if flags is None or not _enough(flags):
            continue
        found[rate] = float(flags.mean())
        if b.clicked is not None:
            found[f"clicked_of_{name}"] = float(np.average(b.clicked, weights=flags))
        if b.watched is not None:
            found[f"long_of_{name}"] = float(np.average(b.watched > LONG, weights=flags))
    if {"like_rate", "hate_rate"} <= found.keys():
        assert b.liked is not None
        assert b.hated is not None
        for name, values in (("auc_watched", b.watched), ("auc_clicked", b.clicked)):
            if values is not None:
                found[name] = weighted_auc(values, b.liked, b.hated)
    found |= _returns(b.user, b.day)
    return {name: found[name] for name in FIGURES if name in found}


def _returns(user: NDArray[np.int64], day: NDArray[np.int64]) -> dict[str, float]:
    """The figures of when users come; none where too few come again."""
    late = day > day.max() - WINDOW
    pairs = np.unique(np.stack([user[late], day[late]], axis=1), axis=0)
    gaps = np.diff(pairs[:, 1])[np.diff(pairs[:, 0]) == 0]
    if len(gaps) < EVENTS:
        return {}
    days = np.sort(np.unique(pairs[:, 0], return_counts=True)[1])[::-1]
    busiest = days[: max(1, len(days) // 10)].sum() / days.sum()
    return {
        "next_day": float((gaps == 1).mean()),
        "mean_gap": float(gaps.mean()),
        "busiest_tenth": float(busiest),
    }


def weighted_auc(values: Values, positive: Values, negative: Values) -> float:
    """The chance that a positive has a higher value than a negative, ties counting half; weights (N,) each.

    Mann and Whitney 1947, with weights. Higher: the value tells them apart better; 0.5: not at all.
    """
    order, group = np.unique(values, return_inverse=True)
    ups, downs = (
        np.bincount(group, weights=weights, minlength=len(order)) for weights in (positive, negative)
    )
    below = np.cumsum(downs) - downs
    return float((ups * (below + downs / 2)).sum() / (ups.sum() * downs.sum()))


def behave(world: World, users: Users, policy: Policy, seed: int, days: int = 28) -> Behaviour:
    """What these users do under a policy, impression by impression; `liked` and `hated` hold chances.

    The users, policy, seed and days are those of `simulate`.
    """
    active = np.zeros((days, len(users)), dtype=bool)
    parts = []
    for sessions in live(world, users, highest(policy), seed, active, change=days // 2):
        seen = sessions.seen
        who = np.broadcast_to(sessions.offers.who[:, None], seen.shape)[seen]
        columns = (sessions.clicked, sessions.watched, *sessions.chances())
        parts.append((who, np.full(len(who), sessions.offers.day), *(column[seen] for column in columns)))
    user, day, *values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Behaviour(user, day, *(column.astype(np.float64) for column in values))


def _enough(flags: Values) -> bool:
    return EVENTS <= float(flags.sum()) <= len(flags) - EVENTS
