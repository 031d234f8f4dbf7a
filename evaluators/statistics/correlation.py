"""How well one measure of the candidates orders them as another does."""

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


def _correlation(a: Floats, b: Floats) -> Floats:
    """(R,) rank correlations of the rows of two (R, N) arrays; 0 where a row is constant."""
    ranks = [stats.rankdata(values, axis=1) for values in (a, b)]
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    result: Floats = np.divide((x * y).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)
    return result
