"""Lives: what a policy makes of users over weeks. The north star of rewards."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .sessions import Flags, Policy, Sessions, highest, live
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

    def rate(self, events: str, of: str = "impressions") -> float:
        """One of the sums for each of another, over all users, such as `hates` per impression."""
        over, under = (float(getattr(self, name).sum()) for name in (events, of))
        return over / under if under else 0.0


@dataclass(frozen=True, eq=False)
class Lives:
    """What users did. `active` (days, U): who came when. `totals`: sums per user.

    `late_active_days` (U,) float64: on how many days of the second half each user came; higher is better.
    """

    active: Flags
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
    active = np.zeros((days, len(users)), dtype=bool)
    totals = Totals(*(np.zeros(len(users)) for _ in fields(Totals)))
    for sessions in live(world, users, highest(policy), seed, active, change=days // 2):
        _add(totals, sessions)
    return Lives(active, totals)


def _add(totals: Totals, sessions: Sessions) -> None:
    who = sessions.offers.who  # nobody comes twice a day, so plain indexing adds
    totals.sessions[who] += 1
    totals.impressions[who] += sessions.seen.sum(axis=1)
    totals.clicks[who] += sessions.clicked.sum(axis=1)
    totals.watch_seconds[who] += sessions.watched.sum(axis=1)
    totals.likes[who] += sessions.liked.sum(axis=1)
    totals.hates[who] += sessions.hated.sum(axis=1)
