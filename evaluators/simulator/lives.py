"""Lives: what a policy makes of users over weeks. The north star of rewards."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .sessions import Flags, Offers, Places, Policy, Sessions, best, live, scored
from .world import Users, World


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums per user, each (U,) float64; `watch_seconds` in seconds, the others counts."""

    sessions: NDArray[np.float64]
    impressions: NDArray[np.float64]
    clicks: NDArray[np.float64]
    watch_seconds: NDArray[np.float64]
    likes: NDArray[np.float64]
    hates: NDArray[np.float64]

    @property
    def click_rate(self) -> float:
        """Clicks per impression."""
        return _ratio(self.clicks, self.impressions)

    @property
    def like_rate(self) -> float:
        """Likes per impression."""
        return _ratio(self.likes, self.impressions)

    @property
    def hate_rate(self) -> float:
        """Hates per impression; lower is better."""
        return _ratio(self.hates, self.impressions)

    @property
    def watch_per_session(self) -> float:
        """Seconds per session."""
        return _ratio(self.watch_seconds, self.sessions)

    @property
    def impressions_per_session(self) -> float:
        """Items seen per session."""
        return _ratio(self.impressions, self.sessions)


@dataclass(frozen=True, eq=False)
class Lives:
    """What users did. `active` (days, U): who came when. `first_day` and `totals`: sums per user.

    `late_active_days` (U,) float64: on how many days of the second half each user came; higher is better.
    """

    active: Flags
    first_day: Totals
    totals: Totals

    @property
    def late_active_days(self) -> NDArray[np.float64]:
        """(U,) active days in the second half of the horizon."""
        late: NDArray[np.float64] = self.active[len(self.active) // 2 :].sum(axis=0, dtype=np.float64)
        return late

    @property
    def active_days(self) -> NDArray[np.float64]:
        """(U,) active days in all."""
        days: NDArray[np.float64] = self.active.sum(axis=0, dtype=np.float64)
        return days


def simulate(world: World, users: Users, policy: Policy, seed: int, days: int = 28) -> Lives:
    """What these users do in so many days under a policy.

    With the same world, users and seed every policy meets the same luck, so users pair. Where users drift
    they change at day `days // 2`. ValueError for fewer than two days or scores that are no
    ranking.
    """
    if days < 2:
        raise ValueError(f"a life needs two days or more, got {days}")
    slate = world.parameters.slate
    active = np.zeros((days, len(users)), dtype=bool)
    first, all_days = _nothing(len(users)), _nothing(len(users))

    def rank(offers: Offers) -> Places:
        return best(scored(policy, offers), slate)

    for sessions in live(world, users, rank, seed, active, change=days // 2):
        for totals in (all_days, *([first] if sessions.offers.day == 0 else [])):
            _add(totals, sessions)
    return Lives(active, first, all_days)


def _add(totals: Totals, sessions: Sessions) -> None:
    who = sessions.offers.who  # nobody comes twice a day, so plain indexing adds
    totals.sessions[who] += 1
    totals.impressions[who] += sessions.seen.sum(axis=1)
    totals.clicks[who] += sessions.clicked.sum(axis=1)
    totals.watch_seconds[who] += sessions.watched.sum(axis=1)
    totals.likes[who] += sessions.liked.sum(axis=1)
    totals.hates[who] += sessions.hated.sum(axis=1)


def _nothing(count: int) -> Totals:
    return Totals(*(np.zeros(count) for _ in fields(Totals)))


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> float:
    total = float(under.sum())
    return float(over.sum()) / total if total else 0.0
