"""Exploration: the log of a randomised experiment, which lays later outcomes to single impressions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...population.island.randomness import generator
from .sessions import OFFERED, Offers, Places, Policy, best, click_times_watch, live, scored
from .world import Floats, Users, World

WEEK = 7
"""Days over which `later_days` and `before` count."""
REACTIONS = ("clicked", "watched", "liked", "hated")


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

    kept: list[dict[str, NDArray[Any]]] = []
    for sessions in live(world, users, rank, seed, active, change=days):
        offers = sessions.offers
        if WEEK <= offers.day < days - WEEK:
            who_and_when = {"user": offers.who, "day": np.full(len(offers.who), offers.day)}
            offered = {name: offers[name][:, :choices] for name in OFFERED}
            done = {name: getattr(sessions, name)[:, 0] for name in ("shown", *REACTIONS)}
            kept.append(who_and_when | offered | done)
    table = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    sums = np.concatenate([np.zeros((1, len(users))), active.cumsum(axis=0)])
    user, day = table["user"], table["day"]
    outcomes = {name: table[name] for name in REACTIONS}
    outcomes["returned"] = active[day + 1, user]
    outcomes["later_days"] = sums[day + 1 + WEEK, user] - sums[day + 1, user]
    return Exploration(
        signals={name: table[name] for name in OFFERED},
        chosen=table["shown"],
        propensity=np.full(len(user), 1 / choices, dtype=np.float32),
        outcomes={name: values.astype(np.float32) for name, values in outcomes.items()},
        user=user,
        day=day,
        before=(sums[day, user] - sums[day - WEEK, user]).astype(np.float32),
    )


def _drawn(seed: int, days: int, count: int, choices: int) -> Places:
    """(days, U) the candidate that each session would show first."""
    return np.stack([generator(seed, "drawn", day).integers(0, choices, count) for day in range(days)])
