"""Sessions: day after day, who comes, what they are shown, what they do, and how it leaves them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...population.island.randomness import generator
from .world import PREPARED, ROW, Deck, Floats, Users, World, deck

Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Policy = Callable[[Mapping[str, Floats]], Floats]
"""Signals by name, each (S, C), to scores (S, C): higher is shown first."""
Rank = Callable[["Offers"], Places]
"""The places (S, K) of the candidates to show, the first place first."""

OFFERED = ("click", "watch", "like", "survey", "item", "popularity", "duration", "heavy")
"""What is known of a candidate; the first four are predictions."""
BATCH = 2048
"""Sessions handled at once: their arrays stay in the cache of a core."""


class Offers(Mapping[str, Floats]):
    """What is known of the candidates of S sessions: each signal (S, C) float32, computed when it is read.

    `day` is the day, `who` (S,) the users. Arrays cannot be written to.
    """

    def __init__(
        self, world: World, users: Users, day: int, who: Places, sat: Floats, dealt: "Dealt"
    ) -> None:
        self.world, self.users, self.day, self.who, self.sat, self.dealt = world, users, day, who, sat, dealt
        self._known: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self._known:
            value = self._compute(name)
            value.flags.writeable = False
            self._known[name] = value
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(OFFERED)

    def __len__(self) -> int:
        return len(OFFERED)

    def _compute(self, name: str) -> Floats:
        p, dealt = self.world.parameters, self.dealt
        match name:
            case "click":
                return sigmoid(dealt.tempting + p.prediction_noise * dealt.luck("predict_click"))
            case "watch":
                mean = dealt.log_watch(self.world, self.sat[:, None])
                mean = mean + p.prediction_noise * dealt.luck("predict_watch")
                seconds: Floats = np.minimum(np.exp(mean + 0.5 * p.watch_spread**2), np.float32(3600))
                return seconds
            case "like":
                mean = p.like_base + p.like_utility * dealt.utility + p.like_click * sigmoid(dealt.tempting)
                return sigmoid(mean + p.prediction_noise * dealt.luck("predict_like"))
            case "survey":
                answer: Floats = np.clip(
                    dealt.utility + p.survey_noise * dealt.luck("predict_survey"), -12, 12
                )
                return answer
            case "item":
                return dealt.items.astype(np.float32)
            case "popularity" | "duration":
                column: Floats = getattr(self.world, name)
                return column[dealt.items]
            case "heavy":
                return np.repeat(self.users.heavy[self.who][:, None], self.world.parameters.candidates, 1)
        raise KeyError(name)


class Dealt:
    """The candidates of S sessions with their true attributes, (S, C) each: what no policy may see."""

    def __init__(
        self, world: World, users: Users, cards: Deck, who: Places, dealt: Places, first: bool
    ) -> None:
        p = world.parameters
        self.items = cards.items[dealt]
        self.attributes, self.noise = cards.attributes[dealt], cards.noise[dealt]
        self.affinity = np.einsum("sd,sdc->sc", users.tastes[who], cards.tastes[dealt])
        self.tempting = self.attribute("tempting") + p.click_affinity * self.affinity
        self.utility = (
            self.attribute("utility_first" if first else "utility") + p.utility_affinity * self.affinity
        )

    def attribute(self, name: str) -> Floats:
        """(S, C) one of ATTRIBUTES."""
        column: Floats = self.attributes[:, ROW[name]]
        return column

    def luck(self, name: str) -> Floats:
        """(S, C) one of NOISE."""
        column: Floats = self.noise[:, ROW[name]]
        return column

    def log_watch(self, world: World, sat: Floats) -> Floats:
        """Mean log seconds if clicked; `sat` (S, 1)."""
        p = world.parameters
        mean: Floats = self.attribute("watch") * (p.watch_floor + p.watch_gain * sat)
        mean += p.watch_affinity * self.affinity
        mean += self.attribute("watch_quality")
        return mean


@dataclass(frozen=True, eq=False)
class Sessions:
    """What S users did on a day: arrays (S, K) in the order shown, float32 or flags; nothing happens unseen.

    `shown` which candidate stands there; `seen` whether the user got so far; `watched` seconds, 0 without a
    click; `like_chance` and `hate_chance` what `liked` and `hated` were drawn from.
    """

    offers: Offers
    shown: Places
    seen: Flags
    clicked: Flags
    watched: Floats
    liked: Flags
    hated: Flags
    like_logit: Floats
    hate_logit: Floats
    pleasure: Floats

    def chances(self) -> tuple[Floats, Floats]:
        """(S, K) each: the chance of a like and of a hate of an item that is seen, click and watch known."""
        return sigmoid(self.like_logit), sigmoid(self.hate_logit)


def sigmoid(logit: NDArray[Any]) -> Floats:
    """1 / (1 + e^-x), float32."""
    result: Floats = 1 / (1 + np.exp(-logit))
    return result


def best(scores: Floats, places: int) -> Places:
    """(S, places) where the highest scores are, best first; equal ones in an order that repeats."""
    top = np.argpartition(-scores, places - 1, axis=1)[:, :places]
    order = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
    return np.take_along_axis(top, order, 1)


def scored(policy: Policy, offers: Offers) -> Floats:
    """(S, C) the policy's scores. ValueError where they have another shape or hold NaN."""
    scores = np.asarray(policy(offers))
    wanted = (len(offers.who), offers.world.parameters.candidates)
    if scores.shape != wanted:
        raise ValueError(f"a policy must give scores of shape {wanted}, got {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("a policy must give scores that can be compared, got NaN")
    return scores


def highest(policy: Policy) -> Rank:
    """Shows the candidates that a policy scores highest, best first."""
    return lambda offers: best(scored(policy, offers), offers.world.parameters.slate)


def click_times_watch(signals: Mapping[str, Floats]) -> Floats:
    """Expected seconds: the policy in production that the constants were fitted under."""
    return signals["click"] * signals["watch"]


def live(world: World, users: Users, rank: Rank, seed: int, active: Flags, change: int) -> Iterator[Sessions]:
    """The sessions of each day in batches; fills `active` (days, U) day by day, before the day's sessions.

    From day `change` on utility is that of changed users, who begin at their first state again. All luck
    belongs to (seed, user, day) or to a candidate there: neither the policy nor other users move it, so that
    two policies meet the same days.

    State (RecSim LTS, arXiv:1909.04847, with tanh of utility in place of its −2(c − 1/2)): after a session
    NPE ← β·NPE + mean of tanh(u) over what was clicked + N(0, η); SAT = sigmoid(s_u·NPE). Return on a day
    (the north star follows RLUR, arXiv:2302.01724; a user's bias and the session's state as in KuaiSim,
    arXiv:2309.12645): sigmoid(h_u + 2g(SAT − 1/2) − γ·log(days absent)). After a session the user is lost
    with chance λ·exp(−λ₁(SAT − 1/2)).
    """
    p, count = world.parameters, len(users)
    cards = deck(world, seed)
    exposure = users.exposure.copy()
    staying, absent = np.ones(count, dtype=bool), np.ones(count, dtype=np.float32)
    for day in range(len(active)):
        if p.drifts and day == change:  # what pleased them before pleases them no more
            exposure = users.exposure.copy()
        sat = sigmoid(users.sensitivity * exposure)
        logit = users.base + 2 * p.return_gain * (sat - 0.5) - p.absence * np.log(absent)
        chance = sigmoid(logit if day else users.base + p.first_day)
        coming, leaving = (
            generator(seed, purpose, day).random(count, dtype=np.float32) for purpose in ("coming", "leaving")
        )
        shock = generator(seed, "shock", day).standard_normal(count, dtype=np.float32)
        dealt = generator(seed, "dealt", day).integers(0, PREPARED, count)
        active[day] = staying & (coming < chance)
        absent = np.where(active[day], np.float32(1), absent + 1)
        today = np.flatnonzero(active[day])
        for start in range(0, len(today), BATCH):
            who = today[start : start + BATCH]
            hand = Dealt(world, users, cards, who, dealt[who], first=p.drifts and day < change)
            offers = Offers(world, users, day, who, sat[who], hand)
            sessions = react(offers, rank(offers))
            exposure[who] = p.memory * exposure[who] + sessions.pleasure + p.innovation * shock[who]
            yield sessions
        lost = leaving[today] < p.lapse * np.exp(-p.lapse_slope * (sat[today] - 0.5))
        staying[today[lost]] = False


def react(offers: Offers, shown: Places) -> Sessions:
    """What users do with the candidates shown to them, (S, K).

    Click logit (temptation) v = a₀ + a₁·a + a₂(2c − 1), utility u = b₁·a + b₂·q − m(2c − 1), with affinity
    a = p·z: what tempts and what is worth it are two attributes (Kleinberg, Mullainathan and Raghavan,
    arXiv:2202.11776). Log seconds of a click (RecSim LTS, arXiv:1909.04847):
    (c·μ_choc + (1 − c)·μ_kale)(w₀ + w₁·SAT) + w₂·a + w₃·q + N(0, σ_w). Each item costs 1 + κ(1 − sigmoid(u))
    of a temper of T, and the session ends where it is used up (KuaiSim, arXiv:2309.12645).
    """
    p, dealt = offers.world.parameters, offers.dealt

    def at(values: Floats) -> Floats:
        return np.take_along_axis(values, shown, 1)

    utility, longer = at(dealt.utility), at(dealt.luck("watched"))
    spent = np.cumsum(1 + p.impatience * (1 - sigmoid(utility)), axis=1)
    seen = np.ones(shown.shape, dtype=bool)
    seen[:, 1:] = spent[:, :-1] < p.temper
    clicked = seen & (at(dealt.tempting + dealt.luck("click")) > 0)
    log_watch = at(dealt.log_watch(offers.world, offers.sat[:, None])) + p.watch_spread * longer
    like = p.like_base + p.like_utility * utility + clicked * (p.like_click + p.like_watch * longer)
    hate = (
        p.hate_base
        - p.hate_utility * utility
        + p.hate_bait * at(dealt.attribute("bait"))
        - p.hate_click * clicked
    )
    return Sessions(
        offers=offers,
        shown=shown,
        seen=seen,
        clicked=clicked,
        watched=np.minimum(np.exp(log_watch), np.float32(86_400)) * clicked,
        liked=seen & (like + at(dealt.luck("like")) > 0),
        hated=seen & (hate + at(dealt.luck("hate")) > 0),
        like_logit=like,
        hate_logit=hate,
        pleasure=(np.tanh(utility) * clicked).sum(1) / np.maximum(clicked.sum(1), 1).astype(np.float32),
    )
