"""The proxy: how well a reward orders later outcomes, and what more of them its policy would have brought.

Loss-independent: no model is trained on a reward. The loss of models trained on different rewards cannot be
compared, because each reward sets its own target in its own unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...population.values.verdict import Metric, Status, Verdict
from ..data import DataError
from ..data.log import did_you_mean
from ..kinds.failure import Failed
from ..statistics import Interval, PolicyValue, cannot_rank, doubly_robust, snips
from .caller import Caller
from .logs.log import RewardLog
from .outcome_model import Expected, expected

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rung:
    """Some rows of the search's log with the `ranks` (M,) of the outcome, standardised."""

    log: RewardLog
    ranks: Array
    weights: Array
    """(M,) by how much a row counts so that candidates count alike, 1 on average."""


class Proxy:
    """The proxy on one log about one outcome. DataError where its rows cannot tell reference rewards apart.

    The last rung is the off-policy value; rungs before it order the outcome. Everything about a reward
    depends on the order that it gives to the candidates of a slate, and on nothing else of it.
    """

    def __init__(
        self, log: RewardLog, outcome: str, rows: Sequence[int], sharpness: float, least: float, seed: int
    ) -> None:
        if outcome not in log.outcomes:
            raise DataError(
                f"reward.proxy must be an outcome of {log.name}, one of {', '.join(log.outcomes)}; "
                f"got {outcome!r}{did_you_mean(outcome, log.outcomes)}"
            )
        self.outcome = outcome
        self.better = log.signals[outcome].better or 1
        self.sharpness = sharpness
        self.least = least
        order = np.random.Generator(np.random.Philox([seed, 5])).permutation(len(log))
        parts = [log.rows(order[: min(count, len(log))]) for count in rows]
        self.rungs = [Rung(part, _adjusted(part, outcome, self.better), _weights(part)) for part in parts]
        self.last = parts[-1]
        self.expected: Expected = expected(self.last, outcome, seed)
        self.owner = np.unique(self.last.user, return_inverse=True)[1]

    def run(self, caller: Caller, rung: int) -> Verdict:
        """The verdict of one rung. Raises Failed."""
        return (
            self._value(caller) if rung == len(self.rungs) - 1 else self._ordering(caller, self.rungs[rung])
        )

    def _ordering(self, caller: Caller, rung: Rung) -> Verdict:
        log = rung.log
        wins = beaten(caller(log.columns))
        found = _correlation(place(wins[log.chosen, np.arange(len(log))]), rung)
        return Verdict(Status.SCORED, found, metrics={"ordering": found})

    def _value(self, caller: Caller) -> Verdict:
        log = self.last
        wins = beaten(caller(log.columns))
        value, gain, target = self.value(wins)
        if value.effective_size < self.least:
            raise Failed(
                Status.INVALID,
                f"the log is worth {value.effective_size:.0f} slates for this reward, fewer than "
                f"{self.least:g}: too few of the items that it would show were shown",
            )
        shown = place(wins[log.chosen, np.arange(len(log))])
        metrics = {"gain": gain, "ordering": _correlation(shown, self.rungs[-1])}
        for name, outcome in log.outcomes.items():
            metrics[name] = _metric(snips(outcome, target, log.propensity))
        metrics[self.outcome] = _metric(value)
        metrics["effective_size"] = Metric(value.effective_size)
        score = Metric(self.better * gain.value, gain.spread, gain.count)
        return Verdict(Status.SCORED, score, metrics=metrics)

    def value(self, wins: NDArray[np.int16]) -> tuple[PolicyValue, Metric, Array]:
        """The value of the outcome under the induced policy, doubly robust; its gain over the logging policy
        with the error that sharing the log leaves; and its chances (M,) of the candidates that were shown.
        """
        log, model = self.last, self.expected
        policy = chances(wins, self.sharpness)
        target = policy[log.chosen, np.arange(len(log))]
        everywhere = np.einsum("cm,cm->m", policy, model.candidates)
        outcome = log.outcomes[self.outcome]
        value = doubly_robust(outcome, target, log.propensity, model.chosen, everywhere, units=log.user)
        change = everywhere - model.chosen + (target / log.propensity - 1.0) * (outcome - model.chosen)
        return value, _clustered(change, self.owner), target

    def require_power(self, references: Mapping[str, Caller]) -> None:
        """DataError where the log cannot tell the reference rewards and their opposites apart.

        With each reference goes its reverse: a log that cannot tell a reward from the opposite of it has
        nothing to say on rewards.
        """
        values = {}
        for name, caller in references.items():
            rewards = caller(self.last.columns)
            for words, sign in ((name, 1.0), (f"the opposite of {name}", -1.0)):
                value, gain, _ = self.value(beaten(sign * rewards))
                values[words] = replace(value, interval=_interval(gain))
        if refusal := cannot_rank(values, self.least):
            raise DataError(
                f"{self.last.name}: {self.outcome} cannot rank rewards on this log "
                f"({len(self.last):,} slates): {refusal}"
            )


def _adjusted(log: RewardLog, outcome: str, better: int) -> Array:
    """(M,) ranks of the outcome, standardised, without what is explained by what the user did before."""
    ranks = stats.rankdata(better * log.outcomes[outcome])
    ranks = (ranks - ranks.mean()) / (ranks.std() or 1.0)
    bases = np.stack([np.ones(len(log)), log.before, log.before**2])
    if log.before.any():
        fit = np.linalg.lstsq(bases.T, ranks, rcond=None)[0]
        ranks = ranks - fit @ bases
    return np.asarray(ranks / (ranks.std() or 1.0))


def _weights(log: RewardLog) -> Array:
    weights = 1.0 / log.propensity
    return np.asarray(weights / weights.mean())


def _correlation(places: Array, rung: Rung) -> Metric:
    """Weighted correlation of places in the slate with the adjusted ranks, and its standard error."""
    w = rung.weights
    centred = places - np.average(places, weights=w)
    ranks = rung.ranks - np.average(rung.ranks, weights=w)
    scale = float(np.sqrt(np.average(centred**2, weights=w) * np.average(ranks**2, weights=w)))
    value = float(np.average(centred * ranks, weights=w)) / scale if scale else 0.0
    size = float(w.sum() ** 2 / (w @ w))
    return Metric(value, float(np.sqrt((1 - value**2) / max(size - 2, 1.0))), len(places))


def _clustered(values: Array, owner: NDArray[np.intp]) -> Metric:
    """The mean of rows whose users are independent of each other, and its error (Liang and Zeger 1986)."""
    mean = float(values.mean())
    sums = np.bincount(owner, weights=values - mean)
    count = len(sums)
    error = float(np.sqrt(sums @ sums * count / max(count - 1, 1))) / len(values)
    return Metric(mean, error, count)


def _interval(metric: Metric) -> Interval:
    reach = float(stats.norm.ppf(0.975)) * (metric.spread or 0.0)
    low, high = metric.value - reach, metric.value + reach
    return Interval(metric.value, low, high, 0.95, metric.count, metric.spread or 0.0)


def _metric(value: PolicyValue) -> Metric:
    interval = value.interval
    return Metric(float(interval.estimate), float(interval.error), max(int(interval.count), 1))


def beaten(rewards: Array) -> NDArray[np.int16]:
    """(C, M): twice the number of candidates of its slate that each one beats, a tie counting half."""
    count = len(rewards)
    wins = np.zeros(rewards.shape, dtype=np.int16)
    for one in range(count):
        for other in range(one + 1, count):
            better = rewards[one] > rewards[other]
            worse = rewards[one] < rewards[other]
            wins[one] += better
            wins[one] -= worse
            wins[other] += worse
            wins[other] -= better
    return wins + np.int16(count - 1)


def chances(wins: NDArray[np.int16], sharpness: float) -> Array:
    """(C, M): the chance of each candidate, in proportion to ((beaten + 1/2) / C) to the power `sharpness`.

    At 1 the chance falls linearly with the rank, and the log is worth three quarters of its rows; far above
    it the best candidate alone is shown, and the log is worth one row in C. `wins` as `beaten` gives them.
    """
    count = len(wins)
    table = ((np.arange(2 * count - 1) / 2 + 0.5) / count) ** sharpness
    weights = table[wins]
    return np.asarray(weights / weights.sum(axis=0))


def place(wins: NDArray[np.int16]) -> Array:
    """The same shape: where each stands in its slate, from -1 for the last to 1 for the first."""
    return np.asarray(wins / (len(wins) - 1.0) - 1.0)
