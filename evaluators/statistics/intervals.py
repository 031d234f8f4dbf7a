"""The interval of a paired difference, and what all intervals share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate that lies between `low` and `high` with this confidence, from `count` measurements.

    `error` is the standard error of the estimate, in its unit; NaN where the method has none.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    count: int
    error: float = float("nan")


def paired(treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of treatment - control with Student's interval; element k of both shares fold, seed, users.

    Student 1908; the interval of `scipy.stats.ttest_rel`. Differences that are all equal give an interval of
    no width. Fewer than two pairs, unequal shapes or a number that is not finite: ValueError.
    """
    first, second = finite_row("treatment", treatment), finite_row("control", control)
    if first.shape != second.shape or len(first) < 2:
        raise ValueError(f"pairs must be two or more, one to one, got {len(first)} and {len(second)} values")
    differences = first - second
    estimate, count = float(differences.mean()), len(differences)
    error = float(differences.std(ddof=1)) / count**0.5
    return student_interval(estimate, error, count, confidence)


def student_interval(estimate: float, error: float, count: int, confidence: float) -> Interval:
    """Student's interval around an estimate whose standard error comes from `count` measurements."""
    reach = student(tail_of(confidence), count) * error
    return Interval(estimate, estimate - reach, estimate + reach, confidence, count, error)


def student(tail: float, count: float) -> float:
    """How many standard errors leave `tail` above them, the error estimated from `count` measurements."""
    return float(stats.t.isf(tail, count - 1))


def tail_of(confidence: float) -> float:
    """The share that an interval of this confidence leaves out at each end."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return (1 - confidence) / 2


def finite_row(name: str, values: ArrayLike) -> Floats:
    """The values as (N,) float64; anything else than a row of finite numbers: ValueError with its name."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a row of finite numbers, got {array}")
    return array
