"""Looks that nobody planned: intervals and p-values that hold at all looks together, whenever one stops.

All of them are Robbins' normal mixture (Robbins 1970): under no effect, the likelihood of the data with the
effect drawn from N(0, tau^2), over that with none, exceeds 1 / alpha at any time with probability alpha at
most (Ville 1939). With z the estimate over its standard error and x = tau^2 / (standard error)^2, that ratio
is exp(z^2 x / (2 (x + 1))) / sqrt(x + 1). `tuned_at` or `tau` sets tau; any will do, if it is fixed before
the data.
"""

from math import e, exp, inf, isfinite, log, log1p, sqrt

from scipy.special import lambertw, log_ndtr

from .intervals import Interval
from .moments import Moments, effect

MINIMUM = 100
"""Units below which nothing is claimed: the interval is infinite, p is 1.

The variance is estimated and the mean is taken for normal, which is wrong in small samples, and somebody who
looks after each unit meets all of them. From 100 on differences between arms keep alpha under 200 looks,
those of exponential values and of rare events too. The mean of one sample of rare events against a known
number does not, and wants some hundred events first (tests/bench/bench_statistics.py).
"""

_TUNED = float(-lambertw(-(0.05**2) / e, -1).real) - 1
"""x at which the two-sided sequence is tightest for alpha = 0.05: x = log(x + 1) - log(alpha^2)."""

Arms = tuple[Moments, Moments]


def confidence_sequence(moments: Moments, alpha: float, *, tuned_at: float) -> Interval:
    """The mean of one sample, or of paired differences, with an interval that holds at every look at once.

    The chance that any of the intervals seen while units arrive misses the true mean is `alpha` at most, in
    the limit of many units: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
    Ramdas, https://arxiv.org/abs/2103.06476, theorem 2.2, with w = n r^2 + 1 and n units:
    mean +- sd / sqrt(n) * sqrt(2 w / (w - 1) * log(sqrt(w) / alpha)). `tuned_at` is the number of units at
    which it is tightest for alpha = 0.05, the size at which the experiment should be decided; it must not be
    changed between looks. r depends on nothing else, so intervals of several alpha are nested and
    `always_valid_p` agrees with them. Below `MINIMUM` units, and where values do not vary, the interval is
    infinite. An alpha outside (0, 1), or a `tuned_at` that is not above 0: ValueError.
    """
    return _sequence(_look(moments), alpha, tuned_at)


def confidence_sequence_difference(
    treatment: Moments, control: Moments, alpha: float, *, tuned_at: float
) -> Interval:
    """Treatment less control of two independent arms, with an interval that holds at every look at once.

    As `confidence_sequence`, in the units of information that `effect` counts: shares of the arms may change
    on the way, if not because of the results. `tuned_at` counts the units of both arms together. The interval
    is infinite below `MINIMUM` units in that count, a quarter of it in an arm, or while the values of an
    arm do not vary. An arm without units: ValueError.
    """
    return _sequence(_look((treatment, control)), alpha, tuned_at)


def always_valid_p(moments: Moments | Arms, *, tuned_at: float) -> float:
    """The smallest alpha whose one-sided confidence sequence lies above 0: p for "the mean is 0 or less".

    For one sample, for paired differences, or for (treatment, control). Under that hypothesis the chance that
    p is alpha or less at any look is alpha at most, so one may stop when one likes, and take the smallest p
    so far. The mixture is over positive effects alone (half normal: Howard, Ramdas, McAuliffe and Sekhon
    2021, https://arxiv.org/abs/1810.08240, proposition 6). p <= alpha / 2 implies that the two-sided interval
    of the same `tuned_at` and alpha lies above 0. 1 where the interval would be infinite.
    """
    estimate, variance, count, _ = _look(moments)
    x = _TUNED * count / _positive("tuned_at", tuned_at)
    if not variance:
        return 1.0
    z = estimate / sqrt(variance)
    return min(1.0, exp(-_log_ratio(z, x) - log(2) - float(log_ndtr(z * sqrt(x / (x + 1))))))


def msprt(moments: Moments | Arms, alpha: float, tau: float) -> tuple[Interval, float]:
    """The mixture sequential probability ratio test: an interval and a two-sided p, both always valid.

    For one sample, for paired differences, or for (treatment, control). `tau` is the standard deviation of
    the effects that one expects, in the metric's unit: good power near it. Johari, Pekelis and Walsh,
    https://arxiv.org/abs/1512.04922, with the variance estimated; p <= alpha exactly where the interval
    excludes 0. The smallest p so far is valid too. Infinite and 1 where `confidence_sequence` is infinite.
    """
    estimate, variance, _, units = _look(moments)
    spread = _positive("tau", tau) ** 2
    if not variance:
        return _interval(estimate, 0.0, 0.0, alpha, units), 1.0
    x = spread / variance
    p = min(1.0, exp(-_log_ratio(estimate / sqrt(variance), x)))
    return _interval(estimate, variance, x, alpha, units), p


def _look(moments: Moments | Arms) -> tuple[float, float, float, int]:
    """Estimate, its variance (0: nothing can be claimed yet), units of information, units."""
    if isinstance(moments, Moments):
        enough = moments.count >= MINIMUM and _varies(moments)
        variance = moments.variance / moments.count if enough else 0.0
        return moments.mean, variance, moments.count, moments.count
    treatment, control = moments
    units = treatment.count + control.count
    estimate, variance, count = effect(treatment, control)
    fewest = min(treatment.count, control.count)
    enough = count >= MINIMUM and fewest >= MINIMUM / 4 and _varies(treatment) and _varies(control)
    return estimate, variance if enough else 0.0, count, units


def _varies(moments: Moments) -> bool:
    # A variance from sums of squares leaves rounding where all values are equal.
    return moments.variance > 1e-12 * moments.mean**2


def _sequence(look: tuple[float, float, float, int], alpha: float, tuned_at: float) -> Interval:
    estimate, variance, count, units = look
    return _interval(estimate, variance, _TUNED * count / _positive("tuned_at", tuned_at), alpha, units)


def _interval(estimate: float, variance: float, x: float, alpha: float, units: int) -> Interval:
    """The effects at which the ratio stays below 1 / alpha."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if not variance:
        return Interval(estimate, -inf, inf, 1 - alpha, units)
    error = sqrt(variance)
    reach = error * sqrt((x + 1) / x * (log1p(x) - 2 * log(alpha)))
    return Interval(estimate, estimate - reach, estimate + reach, 1 - alpha, units, error)


def _log_ratio(z: float, x: float) -> float:
    """Logarithm of the likelihood with a mixed effect over that with none."""
    return z * z * x / (2 * (x + 1)) - log1p(x) / 2


def _positive(name: str, value: float) -> float:
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0, got {value}")
    return value
