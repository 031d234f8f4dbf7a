"""Exploration: the log of a randomised experiment, which lays later outcomes to single impressions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...population.island.randomness import generator
from .sessions import OFFERED, Flags, Offers, Places, Policy, best, click_times_watch, live, scored
from .world import Floats, Users, World

WEEK = 7
"""Days over which `later_days` and `before` count."""


@dataclass(frozen=True, eq=False)
class Exploration:
    """One row per session, M in all, in the order of days and then users; arrays float32 unless said.

    `signals`: predictions and contexts by name, each (M, choices); `chosen` (M,) int64: which of the choices
    was shown in the first place, each with chance `propensity` (M,). `outcomes` of that impression by name,
    each (M,): clicked, watched, liked, hated, returned, later_days. `user` and `day` (M,)
    int64. `before` (M,): on how many of the seven days before the user came.
    """

    signals: Mapping[str, Floats]
    chosen: NDArray[np.int64]
    propensity: Floats
    outcomes: Mapping[str, Floats]
    user: NDArray[np.int64]
    day: NDArray[np.int64]
    before: Floats

    def __len__(self) -> int:
        return len(self.chosen)


def explore(
    world: World,
    users: Users,
    seed: int,
    *,
    days: int = 28,
    choices: int = 8,
    policy: Policy | None = None,
) -> Exploration:
    """The sessions of days 7 to `days` - 8 of an experiment that draws what stands in the first place.

    `choices` candidates of each session are drawn from, uniformly; the other places show what `policy`, by
    default predicted clicks times watch time, ranks first among the other candidates. So what was drawn moves
    nothing else in its session, and is independent of the user: differences in later outcomes are effects
    (Kohavi, Tang and Xu 2020, Trustworthy Online Controlled Experiments). The log is of the past: users who
    drift have not changed yet in it. ValueError for fewer than 16 days, fewer than two choices, or
    more than leave candidates for the other places.
    """
    p = world.parameters
    if days < 2 * WEEK + 2:
        raise ValueError(f"a week before and a week after need {2 * WEEK + 2} days or more, got {days}")
    most = p.candidates - p.slate + 1
    if not 2 <= choices <= most:
        raise ValueError(f"choices must lie in 2 to {most}, got {choices}")
    active = np.zeros((days, len(users)), dtype=bool)
    production, drawn = policy or click_times_watch, _drawn(seed, days, len(users), choices)

    def rank(offers: Offers) -> Places:
        rest = scored(production, offers)[:, choices:]
        first = drawn[offers.day, offers.who]
        return np.concatenate([first[:, None], choices + best(rest, p.slate - 1)], axis=1)

    kept: list[Kept] = []
    for sessions in live(world, users, rank, seed, active, change=days):
        offers = sessions.offers
        if WEEK <= offers.day < days - WEEK:
            signals = {name: offers[name][:, :choices] for name in OFFERED}
            seen = [
                column[:, 0]
                for column in (sessions.clicked, sessions.watched, sessions.liked, sessions.hated)
            ]
            kept.append((offers.day, offers.who, signals, sessions.shown[:, 0], seen))
    return _table(kept, active, choices)


Kept = tuple[int, Places, dict[str, Floats], Places, list[NDArray[Any]]]
"""Of some sessions: day, users, signals, what was chosen, and what was done with it."""


def _drawn(seed: int, days: int, count: int, choices: int) -> Places:
    """(days, U) the candidate that each session would show first."""
    return np.stack([generator(seed, "drawn", day).integers(0, choices, count) for day in range(days)])


def _table(kept: list[Kept], active: Flags, choices: int) -> Exploration:
    days = np.concatenate([np.full(len(who), day) for day, who, *_ in kept])
    users = np.concatenate([who for _, who, *_ in kept])
    sums = np.concatenate([np.zeros((1, active.shape[1])), active.cumsum(axis=0)])
    names = ("clicked", "watched", "liked", "hated")
    outcomes = {
        name: np.concatenate([seen[number] for *_, seen in kept]).astype(np.float32)
        for number, name in enumerate(names)
    }
    outcomes["returned"] = active[days + 1, users].astype(np.float32)
    outcomes["later_days"] = (sums[days + 1 + WEEK, users] - sums[days + 1, users]).astype(np.float32)
    return Exploration(
        signals={name: np.concatenate([signals[name] for _, _, signals, *_ in kept]) for name in OFFERED},
        chosen=np.concatenate([first for _, _, _, first, _ in kept]),
        propensity=np.full(len(users), 1 / choices, dtype=np.float32),
        outcomes=outcomes,
        user=users,
        day=days,
        before=(sums[days, users] - sums[days - WEEK, users]).astype(np.float32),
    )
