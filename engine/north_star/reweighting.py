"""Reweighting: what the proxy's components say about the north star, learnt across past elites.

The unit of learning is an elite, not a user: each gives one measured value of every component of the proxy
and one north-star effect, all with known errors. A plain regression would take the noise of the components
for part of what they vary by, so their known error variances are subtracted first: Bibaut et al., "Learning
the covariance of treatment effects across many weak experiments", KDD 2024, https://arxiv.org/abs/2402.17637.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...evaluators.statistics import Interval
from ...population.values.verdict import Metric, Verdict

LEAST = 6
"""Elites below which the plain proxy stays."""
RELIABLE = 0.1
"""Share of a component's variance over elites that must be more than its error, or it says nothing."""
PLAIN = "proxy"
"""The fact that keeps the plain score of a verdict that was re-weighted."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Weights:
    """How the last rung is scored: `share` 0 is the plain proxy, towards 1 what the components foretell.

    The index is constant + score * (plain score) + sum of coefficient * (component - mean). It is in the unit
    of the plain proxy, and over the `elites` that taught it its mean and spread are those of the plain proxy.
    """

    share: float
    elites: int
    constant: float = 0.0
    score: float = 1.0
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(coefficient, mean over the elites) of each component."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Weights":
        """What a round noted of them."""
        return cls(**{**data, "metrics": {name: tuple(pair) for name, pair in data["metrics"].items()}})


def index(verdict: Verdict, weights: Weights | None) -> Metric:
    """The score of a scored, plain verdict under the weights; the plain score without any.

    Errors of score and components are added up as if they were independent. A component that the verdict
    lacks counts as the elites' mean.
    """
    assert verdict.score is not None
    score = verdict.score
    if weights is None or not weights.share:
        return score
    value, variance = weights.constant + weights.score * score.value, 0.0
    if score.spread is not None:
        variance = (weights.score * score.spread) ** 2
    for name, (coefficient, mean) in weights.metrics.items():
        if metric := verdict.metrics.get(name):
            value += coefficient * (metric.value - mean)
            variance += (coefficient * (metric.spread or 0.0)) ** 2
    return Metric(value, None if score.spread is None else math.sqrt(variance), score.count)


def reweighted(verdict: Verdict, weights: Weights | None) -> Verdict:
    """The verdict with its index for a score and the plain one among the facts; as it is without weights."""
    if verdict.score is None or weights is None or not weights.share:
        return verdict
    kept = [verdict.score.value, verdict.score.spread, verdict.score.count]
    return replace(verdict, score=index(verdict, weights), facts={**verdict.facts, PLAIN: kept})


def unweighted(verdict: Verdict) -> Verdict:
    """The verdict as it was judged, before `reweighted`."""
    if PLAIN not in verdict.facts:
        return verdict
    facts = {name: fact for name, fact in verdict.facts.items() if name != PLAIN}
    return replace(verdict, score=Metric(*verdict.facts[PLAIN]), facts=facts)


def learn(elites: Sequence[tuple[Verdict, Interval]]) -> Weights | None:
    """Weights from past elites: (plain verdict of the last rung, north-star effect); None: the plain proxy.

    The learnt part of the index is an errors-in-variables ridge regression of the north-star effects on the
    components. Its `share` is what a leave-one-out forecast with it removes of the squared error that the
    plain proxy's forecast leaves, discounted where elites are few; never below 0 (James and Stein 1961, the
    positive part): where the components foretell nothing beyond the proxy, the proxy stays. The plain proxy's
    forecast may not have a negative slope: one that is opposed to the north star foretells nothing.
    """
    names = _components([verdict for verdict, _ in elites])
    if len(elites) < LEAST or not names:
        return None
    x = np.array([[verdict.metrics[name].value for name in names] for verdict, _ in elites])
    noise = np.array(
        [[(verdict.metrics[name].spread or 0.0) ** 2 for name in names] for verdict, _ in elites]
    )
    p = np.array([verdict.score.value for verdict, _ in elites if verdict.score])
    y = np.array([effect.estimate for _, effect in elites])
    trust = _trust(y, np.array([effect.error for _, effect in elites]))
    if not (np.ptp(p) and np.ptp(y)):
        return None
    share = _share(x, noise, p, y, trust)
    fit = _fit(x, noise, y, trust)
    foretold = (x - fit.mean) @ fit.slopes
    if not share or not (spread := float(foretold.std())):
        return Weights(0.0, len(elites))
    scale = share * float(p.std()) / spread
    metrics = {
        name: (float(scale * slope), float(mean))
        for name, slope, mean in zip(names, fit.slopes, fit.mean, strict=True)
        if slope
    }
    centred = scale * float(foretold.mean())
    return Weights(share, len(elites), float(share * p.mean()) - centred, 1 - share, metrics)


def _components(verdicts: Sequence[Verdict]) -> list[str]:
    """The metrics that every verdict has and that vary over them by more than their errors."""
    if not verdicts:
        return []
    found = []
    for name in sorted(set.intersection(*(set(one.metrics) for one in verdicts))):
        metrics = [one.metrics[name] for one in verdicts]
        variance = float(np.var([one.value for one in metrics]))
        error = sum((one.spread or 0.0) ** 2 for one in metrics) / len(metrics)
        if variance > 0 and 1 - error / variance > RELIABLE:
            found.append(name)
    return found


def _trust(y: Floats, errors: Floats) -> Floats:
    """(N,) weights that sum to 1: the inverse variance of each elite, of its own error and of what varies."""
    known = np.nan_to_num(errors, nan=0.0) ** 2
    between = max(float(y.var(ddof=1) - known.mean()), 0.1 * float(y.var(ddof=1)))
    weights = 1 / (known + between) if between else np.ones_like(y)
    normed: Floats = weights / weights.sum()
    return normed


@dataclass(frozen=True)
class _Fit:
    mean: Floats
    slopes: Floats
    level: float

    def __call__(self, x: Floats) -> float:
        return self.level + float((x - self.mean) @ self.slopes)


def _fit(x: Floats, noise: Floats, y: Floats, trust: Floats) -> _Fit:
    """The regression of (N,) effects on (N, K) components whose (N, K) error variances are known.

    The covariance of the true components is that of the measured ones less the mean error variance; ridge
    K/N is the prior that components together explain about all, each an equal part.
    """
    mean, level = trust @ x, float(trust @ y)
    deviations = x - mean
    scale = np.sqrt(trust @ deviations**2)
    unit = np.divide(deviations, scale, out=np.zeros_like(x), where=scale > 0)
    variance = np.divide(trust @ noise, scale**2, out=np.zeros_like(scale), where=scale > 0)
    ridge = x.shape[1] / len(x)
    correlations = (unit * trust[:, None]).T @ unit
    true = correlations + ridge * np.eye(len(scale)) - np.diag(np.minimum(variance, 1 - RELIABLE))
    values, vectors = np.linalg.eigh(true)
    # sampled covariances less their noise can fall below zero, which no true one does
    inverse = (vectors / np.maximum(values, max(RELIABLE, ridge / 2))) @ vectors.T
    slopes = inverse @ ((unit * trust[:, None]).T @ (y - level))
    return _Fit(mean, np.divide(slopes, scale, out=np.zeros_like(slopes), where=scale > 0), level)


def _share(x: Floats, noise: Floats, p: Floats, y: Floats, trust: Floats) -> float:
    """How far to follow the components, 0 to 1; see `learn`."""
    count = len(y)
    ours = theirs = 0.0
    for left in range(count):
        others = np.arange(count) != left
        weights = trust[others] / trust[others].sum()
        fit = _fit(x[others], noise[others], y[others], weights)
        ours += float(trust[left]) * (float(y[left]) - fit(x[left])) ** 2
        theirs += (
            float(trust[left])
            * (float(y[left]) - _foretold(p[others], y[others], weights, float(p[left]))) ** 2
        )
    if not theirs:
        return 0.0
    few = (count + 4) / (count - 2)
    return max(0.0, 1 - few * ours / theirs)


def _foretold(p: Floats, y: Floats, trust: Floats, at: float) -> float:
    """What the plain proxy alone foretells, by a line that does not fall."""
    mean, level = float(trust @ p), float(trust @ y)
    variance = float(trust @ (p - mean) ** 2)
    slope = float(trust @ ((p - mean) * (y - level))) / variance if variance else 0.0
    return level + max(slope, 0.0) * (at - mean)
