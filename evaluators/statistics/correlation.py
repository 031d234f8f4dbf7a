"""How well one measure of the candidates agrees with another: by rank, and with noise taken out."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from .intervals import Floats, Interval, finite_row, tail_of


def spearman_interval(
    first: ArrayLike,
    second: ArrayLike,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Spearman's rank correlation of two measures of the same candidates, with a bootstrap interval.

    Percentiles over candidates drawn with replacement (Efron 1979), pairs kept together; a draw that is
    constant in a measure says nothing about order and counts as 0. Fewer than 4 candidates, or a measure that
    is constant: ValueError.
    """
    a, b = finite_row("first", first), finite_row("second", second)
    if a.shape != b.shape or len(a) < 4:
        raise ValueError(f"a rank correlation needs 4 or more pairs, got {len(a)} and {len(b)} values")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError("a rank correlation needs measures that vary, one of them is constant")
    estimate = float(_correlation(a[None], b[None])[0])
    drawn = rng.integers(0, len(a), (resamples, len(a)))
    replicates = _correlation(a[drawn], b[drawn])
    tail = tail_of(confidence)
    low, high = np.quantile(replicates, (tail, 1 - tail))
    error = float(replicates.std(ddof=1))
    return Interval(estimate, float(low), float(high), confidence, len(a), error)


def corrected_correlation(
    first: ArrayLike,
    second: ArrayLike,
    first_errors: ArrayLike,
    second_errors: ArrayLike,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Pearson's correlation of the true values behind two noisy measures of the same candidates.

    `..._errors` are standard errors, one a candidate, of noise that the two measures do not share: measure
    them on different users. Noise hides a correlation; the estimate is covariance over the root of both
    variances less their mean squared errors (Spearman 1904, https://doi.org/10.2307/1412159), cut off at -1
    and 1. The interval is a bootstrap over candidates corrected for bias and skewness (BCa: Efron 1987,
    https://doi.org/10.1080/01621459.1987.10478410), a little short below 50 candidates; a draw that shows no
    variance beyond noise counts as -1 or 1 by the sign of its covariance. Fewer than 4 candidates, a negative
    error, or a measure that varies no more than its noise, so that nothing can be corrected: ValueError.
    """
    a, b = finite_row("first", first), finite_row("second", second)
    s, t = finite_row("first_errors", first_errors), finite_row("second_errors", second_errors)
    if not a.shape == b.shape == s.shape == t.shape or len(a) < 4:
        raise ValueError(
            f"a correlation needs 4 or more pairs and errors, got {len(a)}, {len(b)}, {len(s)}, {len(t)}"
        )
    if min(s.min(), t.min()) < 0:
        raise ValueError("errors must be 0 or more, got a negative one")
    for name, values, errors in (("first", a, s), ("second", b, t)):
        if values.var(ddof=1) <= (errors**2).mean():
            raise ValueError(
                f"{name} varies no more than its noise: measure longer, or more different candidates"
            )
    estimate = float(_corrected(a[None], b[None], s[None] ** 2, t[None] ** 2)[0])
    drawn = rng.integers(0, len(a), (resamples, len(a)))
    replicates = _corrected(a[drawn], b[drawn], s[drawn] ** 2, t[drawn] ** 2)
    others = np.nonzero(~np.eye(len(a), dtype=bool))[1].reshape(len(a), -1)
    without = _corrected(a[others], b[others], s[others] ** 2, t[others] ** 2)
    low, high = np.quantile(replicates, _percentiles(estimate, replicates, without, tail_of(confidence)))
    error = float(replicates.std(ddof=1))
    return Interval(estimate, float(low), float(high), confidence, len(a), error)


def _corrected(a: Floats, b: Floats, s: Floats, t: Floats) -> Floats:
    """(R,) correlations of the rows of (R, N) measures with squared errors s and t, noise taken out."""
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (a, b))
    shared = (x * y).sum(axis=1) / (a.shape[1] - 1)
    true = [values.var(axis=1, ddof=1) - noise.mean(axis=1) for values, noise in ((a, s), (b, t))]
    scale = np.sqrt(np.maximum(true[0], 0) * np.maximum(true[1], 0))
    ratio: Floats = np.divide(shared, scale, out=np.sign(shared), where=scale > 0)
    return np.clip(ratio, -1, 1)


def _percentiles(estimate: float, replicates: Floats, without: Floats, tail: float) -> Floats:
    """The quantiles of a bootstrap that make its BCa interval; `without` are estimates less one candidate."""
    below = float(((replicates < estimate).mean() + (replicates <= estimate).mean()) / 2)
    edge = 1 / (len(replicates) + 1)
    bias = float(stats.norm.ppf(min(max(below, edge), 1 - edge)))
    pull = without.mean() - without
    spread = float((pull**2).sum())
    skew = float((pull**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + stats.norm.ppf([tail, 1 - tail])
    return np.asarray(stats.norm.cdf(bias + z / (1 - skew * z)), dtype=np.float64)


def _correlation(a: Floats, b: Floats) -> Floats:
    """(R,) rank correlations of the rows of two (R, N) arrays; 0 where a row is constant."""
    ranks = [stats.rankdata(values, axis=1) for values in (a, b)]
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    result: Floats = np.divide((x * y).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)
    return result
