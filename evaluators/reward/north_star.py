"""The north star: on how many late days simulated users still come, or a log's held-out users."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...population.values.verdict import Metric, Status, Verdict
from ..data import DataError
from ..data.splits import uniform
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from ..simulator import Lives, Parameters, Users, World, make_users, make_world, simulate
from .caller import Caller
from .logs.log import RewardLog
from .logs.signals import Signals
from .properties import MOST_SPIKES, spikes
from .proxy import Proxy
from .settings import Settings

Array = NDArray[np.float64]
WORLDS = {"selection": 100, "claim": 200, "guard": 300}
"""Where the numbers of a split's worlds begin, after a thousand times the settings' seed."""
CLOSE = 1e-9
PARTS = 7
"""Into how many calls an audit divides what was one."""
AUDITED = 128
"""Rows of each call of a simulation that an audit looks at."""
REPLAYED = 8_000
"""Rows of a log that an audit looks at."""


class Simulated:
    """Simulated users under a reward: fold k of a split is a world of its own, and a cohort of its own.

    The luck of a fold is the same for every reward, so that users pair: element u of facts["units"] is the
    same person under each.
    """

    def __init__(self, parameters: Parameters, signals: Signals, settings: Settings, limits: Limits) -> None:
        self.parameters = parameters
        self.signals = signals
        self.settings = settings
        self.limits = limits
        self._people = lru_cache(maxsize=32)(self._made)

    def judge(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The verdict on the fold's users, however many folds. Failed; CHEATED where an audit finds why."""
        lives = self.lives(source, split, fold, sandbox)
        measures = measured(lives)
        units = measures[self.settings.north_star]
        sign = -1.0 if self.settings.north_star == "hate_rate" else 1.0
        metrics = {name: _mean(values) for name, values in measures.items()}
        score = _mean(sign * units)
        return Verdict(Status.SCORED, score, metrics=metrics, facts={"units": _plain(sign * units)})

    def lives(self, source: str, split: str, fold: int, sandbox: Sandbox) -> Lives:
        """What the users of a fold do under the reward. Raises Failed."""
        number = self.settings.seed * 1_000 + WORLDS[split] + fold
        users = self.settings.guard_users if split == "guard" else self.settings.users
        world, people = self._people(number, users)
        rng = np.random.Generator(np.random.Philox([number, 8]))
        seen: list[tuple[dict[str, Array], Array]] = []
        with Caller(source, self.signals, sandbox, self.limits) as caller:

            def policy(offers: Mapping[str, NDArray[np.float32]]) -> NDArray[Any]:
                rewards = caller(offers)
                seen.append(_some(caller, offers, rewards, AUDITED, rng))
                return rewards

            lives = simulate(world, people, policy, number, self.settings.days)
            columns = {name: np.concatenate([rows[name] for rows, _ in seen]) for name in caller.names}
            _audit(caller, self.signals, columns, np.concatenate([rewards for _, rewards in seen]), number)
        return lives

    def _made(self, number: int, count: int) -> tuple[World, Users]:
        world = make_world(self.parameters, number)
        return world, make_users(world, count, number)


def _some(
    caller: Caller, signals: Mapping[str, NDArray[Any]], rewards: Array, count: int, rng: np.random.Generator
) -> tuple[dict[str, Array], Array]:
    """The predictions and rewards of `count` rows by chance, of which some may come twice."""
    places = rng.integers(0, rewards.size, count)
    columns = {name: signals[name].reshape(-1)[places].astype(np.float64) for name in caller.names}
    return columns, rewards.reshape(-1)[places]


def _audit(caller: Caller, signals: Signals, columns: Mapping[str, Array], rewards: Array, seed: int) -> None:
    """Failed, CHEATED, where rewards (N,) that were given depend on more than the meaning of their rows.

    A fresh process is shown the rows in another order and company, and must answer as the first did; a plain
    formula always would. And rows whose digits are moved a little must keep their places.
    """
    if not caller.fast:
        order = np.random.Generator(np.random.Philox(seed)).permutation(rewards.size)
        with Caller(caller.source, signals, caller.sandbox, caller.limits, fast=False) as fresh:
            again = np.concatenate(
                [
                    fresh({name: column[part] for name, column in columns.items()})
                    for part in np.array_split(order, PARTS)
                ]
            )
        if not np.allclose(again, rewards[order], rtol=CLOSE, atol=CLOSE * 1e-3):
            raise Failed(
                Status.CHEATED,
                "real rows got other rewards when shown to a fresh process in another order and company: the "
                "reward depends on more than the row",
            )
    if (share := spikes(signals, caller, columns, seed)) > MOST_SPIKES:
        raise Failed(
            Status.CHEATED,
            f"of rows that the search has not seen, {share:.0%} get another place when the last digits of "
            "their predictions move, up or down: the reward tells rows of a log from others",
        )


def measured(lives: Lives) -> dict[str, Array]:
    """What is read off lives, per user: (U,) each, whose mean is the measure. Rates are over all users'
    impressions or sessions: a user counts by their share of these.
    """
    totals = lives.totals

    def rate(over: Array, under: Array) -> Array:
        return np.asarray(over / max(float(under.mean()), 1e-12))

    return {
        "late_active_days": lives.late_active_days,
        "active_days": lives.active_days,
        "click_rate": rate(totals.clicks, totals.impressions),
        "watch_per_session": rate(totals.watch_seconds, totals.sessions),
        "like_rate": rate(totals.likes, totals.impressions),
        "hate_rate": rate(totals.hates, totals.impressions),
    }


class Replayed:
    """The off-policy value of the proxy's outcome on held-out users of a log, dealt into folds by user."""

    def __init__(self, parts: Mapping[str, RewardLog], settings: Settings, signals: Signals, limits: Limits):
        self.parts = parts
        self.settings = settings
        self.signals = signals
        self.limits = limits
        self._dealt = lru_cache(maxsize=32)(self._proxy)

    def judge(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The verdict on the fold's users: the gain over the logging policy. Raises Failed, DataError."""
        proxy = self._dealt(split, fold, of)
        with Caller(source, self.signals, sandbox, self.limits) as caller:
            verdict = proxy.run(caller, 0)
            shown, seed = proxy.last.columns, self.settings.seed + fold
            rng = np.random.Generator(np.random.Philox([seed, 8]))
            _audit(caller, self.signals, *_some(caller, shown, caller(shown), REPLAYED, rng), seed)
        assert verdict.score is not None
        return Verdict(Status.SCORED, verdict.score, metrics={"replay": verdict.score, **verdict.metrics})

    def _proxy(self, split: str, fold: int, of: int) -> Proxy:
        log = self.parts[split]
        places = np.flatnonzero((uniform(log.user, self.settings.seed + 9) * of).astype(np.int64) == fold)
        if places.size < 2:
            raise DataError(
                f"{log.name}: fold {fold + 1} of {of} of the {split} split has {places.size} slates; use "
                "fewer folds (north_star.folds, reward.worlds)"
            )
        chosen = self.settings
        return Proxy(
            log.rows(places), chosen.proxy, (len(places),), chosen.sharpness, 1.0, chosen.seed + fold
        )


def _mean(values: Array) -> Metric:
    return Metric(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))


def _plain(values: Array) -> list[float | int]:
    """The values as short JSON numbers."""
    if (values == np.rint(values)).all():
        return [int(value) for value in values]
    return [round(float(value), 6) for value in values]
