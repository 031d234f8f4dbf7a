"""Looks that nobody planned: intervals and p-values that hold at all looks together, whenever one stops.

All of them are Robbins' normal mixture (Robbins 1970): under no effect, the likelihood of the data with the
effect drawn from N(0, tau^2), over that with none, exceeds 1 / alpha at any time with probability alpha at
most (Ville 1939). With z the estimate over its standard error and x = tau^2 / (standard error)^2, that ratio
is exp(z^2 x / (2 (x + 1))) / sqrt(x + 1). `tuned_at` sets tau; any will do, if it is fixed before the data.
"""

from math import e, exp, inf, isfinite, log, log1p, sqrt

from scipy.special import lambertw, log_ndtr

from .intervals import Interval
from .moments import Moments

MINIMUM = 100
"""Units below which nothing is claimed: the interval is infinite, p is 1.

The variance is estimated and the mean is taken for normal, which is wrong in small samples, and somebody who
looks after each unit meets all of them. From 100 on differences between arms keep alpha under 200 looks,
those of exponential values and of rare events too. The mean of one sample of rare events against a known
number does not, and wants some hundred events first (tests/bench/bench_statistics.py).
"""

_TUNED = float(-lambertw(-(0.05**2) / e, -1).real) - 1
"""x at which the two-sided sequence is tightest for alpha = 0.05: x = log(x + 1) - log(alpha^2)."""


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
    x = _x(moments, tuned_at)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if not _enough(moments):
        return Interval(moments.mean, -inf, inf, 1 - alpha, moments.count)
    error = sqrt(moments.variance / moments.count)
    # The effects at which the ratio stays below 1 / alpha.
    reach = error * sqrt((x + 1) / x * (log1p(x) - 2 * log(alpha)))
    return Interval(moments.mean, moments.mean - reach, moments.mean + reach, 1 - alpha, moments.count, error)


def always_valid_p(moments: Moments, *, tuned_at: float) -> float:
    """The smallest alpha whose one-sided confidence sequence lies above 0: p for "the mean is 0 or less".

    For one sample or for paired differences. Under that hypothesis the chance that p is alpha or less at any
    look is alpha at most, so one may stop when one likes, and take the smallest p so far. The mixture is over
    positive effects alone (half normal: Howard, Ramdas, McAuliffe and Sekhon 2021,
    https://arxiv.org/abs/1810.08240, proposition 6). p <= alpha / 2 implies that the two-sided interval of
    the same `tuned_at` and alpha lies above 0. 1 where the interval would be infinite.
    """
    x = _x(moments, tuned_at)
    if not _enough(moments):
        return 1.0
    z = moments.mean / sqrt(moments.variance / moments.count)
    log_ratio = z * z * x / (2 * (x + 1)) - log1p(x) / 2
    return min(1.0, exp(-log_ratio - log(2) - float(log_ndtr(z * sqrt(x / (x + 1))))))


def _x(moments: Moments, tuned_at: float) -> float:
    if not (isfinite(tuned_at) and tuned_at > 0):
        raise ValueError(f"tuned_at must be above 0, got {tuned_at}")
    return _TUNED * moments.count / tuned_at


def _enough(moments: Moments) -> bool:
    """Whether anything can be claimed: enough units, and values that vary."""
    # A variance from sums of squares leaves rounding where all values are equal.
    return moments.count >= MINIMUM and moments.variance > 1e-12 * moments.mean**2
