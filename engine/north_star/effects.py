"""Effects: how much better one verdict is than another, with an interval, paired as finely as they allow."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from ...evaluators.statistics import Interval, paired
from ...population.values.verdict import Metric, Verdict

CONFIDENCE = 0.95
UNITS = "units"
"""The fact under which a verdict holds the score of each of its units, such as users, in a fixed order."""


def proxy_effect(treatment: Verdict, control: Verdict) -> Interval:
    """The gain of one scored proxy verdict over another, positive is better.

    Paired by units where both name them, else with the errors of both added up as if they were independent:
    too wide where both saw the same rows. An infinite interval where a score has no error.
    """
    if units := _units([treatment], [control]):
        return _by_units(units)
    assert treatment.score is not None
    assert control.score is not None
    return difference(treatment.score, control.score)


def difference(first: Metric, second: Metric) -> Interval:
    """first - second with a normal interval for independent errors; infinite where one of them has none."""
    estimate, count = first.value - second.value, min(first.count, second.count)
    if first.spread is None or second.spread is None:
        return Interval(estimate, -math.inf, math.inf, CONFIDENCE, count)
    return normal(estimate, math.hypot(first.spread, second.spread), count)


def normal(estimate: float, error: float, count: int) -> Interval:
    """The normal interval of an estimate with this standard error, from `count` measurements."""
    reach = float(stats.norm.isf((1 - CONFIDENCE) / 2)) * error
    return Interval(estimate, estimate - reach, estimate + reach, CONFIDENCE, count, error)


def north_star_effect(treatment: Sequence[Verdict], control: Sequence[Verdict]) -> Interval:
    """The gain of one program's north star over another's, positive is better; fold k of both share seeds.

    Paired by units within each fold where all verdicts name them: the interval then speaks of other units in
    the same folds. Else paired by fold. Every verdict must be scored; ValueError for fewer than two folds
    without units, or unequal numbers of them.
    """
    if units := _units(treatment, control):
        return _by_units(units)
    return paired(_scores(treatment), _scores(control))


def _scores(verdicts: Sequence[Verdict]) -> list[float]:
    return [one.score.value for one in verdicts if one.score]


def _units(treatment: Sequence[Verdict], control: Sequence[Verdict]) -> list[np.ndarray]:
    """The differences unit by unit, an array for each fold; none where they do not pair."""
    folds = []
    if len(treatment) != len(control):
        return []
    for ours, theirs in zip(treatment, control, strict=True):
        a, b = (np.asarray(one.facts.get(UNITS, ()), dtype=np.float64) for one in (ours, theirs))
        if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
            return []
        folds.append(a - b)
    return folds


def _by_units(folds: Sequence[np.ndarray]) -> Interval:
    """The mean over folds of the mean difference, with Student's interval over the units within them."""
    estimate = float(np.mean([fold.mean() for fold in folds]))
    error = math.sqrt(sum(float(fold.var(ddof=1)) / len(fold) for fold in folds)) / len(folds)
    count = sum(map(len, folds))
    reach = float(stats.t.isf((1 - CONFIDENCE) / 2, count - len(folds))) * error
    return Interval(estimate, estimate - reach, estimate + reach, CONFIDENCE, count, error)


def plain(interval: Interval | None) -> dict[str, Any] | None:
    """The interval as JSON: estimate, low, high, error, count; null where there is no such number."""
    if interval is None:
        return None
    ends = {name: getattr(interval, name) for name in ("low", "high", "error")}
    return {
        "estimate": interval.estimate,
        **{name: end if math.isfinite(end) else None for name, end in ends.items()},
        "confidence": interval.confidence,
        "count": interval.count,
    }
