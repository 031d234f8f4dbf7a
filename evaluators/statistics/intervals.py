"""Intervals for one difference: paired, of two independent arms, and adjusted by what was known before."""

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

    @property
    def excludes_zero(self) -> bool:
        """Whether the difference is beyond noise, either way."""
        return self.low > 0 or self.high < 0


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
    reach = student(tail_of(confidence), count) * error
    return Interval(estimate, estimate - reach, estimate + reach, confidence, count, error)


def two_samples(
    mean1: float, var1: float, n1: int, mean0: float, var0: float, n0: int, confidence: float = 0.95
) -> Interval:
    """mean1 - mean0 of two independent arms with Welch's interval, from their summaries alone.

    `var1`, `var0` are sample variances (ddof = 1), in the unit squared; `count` of the result is that of both
    arms. Degrees of freedom by Welch 1947 and Satterthwaite 1946; the interval of `scipy.stats.ttest_ind`
    with `equal_var=False`. Two arms without any variance give an interval of no width. Fewer than two
    measurements in an arm, a negative variance or a number that is not finite: ValueError.
    """
    finite_row("means and variances", [mean1, var1, mean0, var0])
    if min(n1, n0) < 2 or min(var1, var0) < 0:
        raise ValueError(
            "an arm needs 2 or more measurements and a variance of 0 or more, got"
            f" {n1} with {var1} and {n0} with {var0}"
        )
    return _welch(mean1 - mean0, (var1 / n1, var0 / n0), (n1, n0), confidence)


def cuped(
    treatment: ArrayLike,
    control: ArrayLike,
    before_treatment: ArrayLike,
    before_control: ArrayLike,
    confidence: float = 0.95,
) -> Interval:
    """The mean of treatment - control of two independent arms, less what their units did before explains.

    Element k of `before_…` is the same unit's value from before the arms differed, such as its active days in
    the weeks ahead: it must not depend on the arm. CUPED, Deng, Xu, Kohavi and Walker 2013,
    https://doi.org/10.1145/2433396.2433413: each value less theta times its covariate, theta from both arms,
    within each. It narrows the interval by the square root of 1 - correlation^2. What estimating theta costs
    is counted, a degree of freedom and the gap between the arms' covariates (Cochran 1957), so small arms are
    covered too. A covariate that is constant changes nothing. Fewer than three units in an arm, unequal
    shapes or a number that is not finite: ValueError.
    """
    y = finite_row("treatment", treatment), finite_row("control", control)
    x = finite_row("before_treatment", before_treatment), finite_row("before_control", before_control)
    n1, n0 = (len(values) for values in y)
    if (n1, n0) != (len(x[0]), len(x[1])) or min(n1, n0) < 3:
        raise ValueError(
            f"an arm needs 3 or more units, each with a value from before, got {n1} with {len(x[0])}"
            f" and {n0} with {len(x[1])}"
        )
    size = float(np.abs(np.concatenate(x)).max())
    y_within = [arm - arm.mean() for arm in y]
    x_within = [_centred(arm, size) for arm in x]
    theta, known = _slope(np.concatenate(y_within), np.concatenate(x_within))
    squares = [float(((a - theta * b) ** 2).sum()) for a, b in zip(y_within, x_within, strict=True)]
    gap = float(x[0].mean() - x[1].mean())
    estimate = float(y[0].mean() - y[1].mean()) - theta * gap
    if not known:
        return _welch(
            estimate, (squares[0] / (n1 - 1) / n1, squares[1] / (n0 - 1) / n0), (n1, n0), confidence
        )
    lost = (n1 + n0 - 2) / (n1 + n0 - 3)
    parts = squares[0] * lost / (n1 - 1) / n1, squares[1] * lost / (n0 - 1) / n0
    slope_error = gap**2 * sum(squares) / (n1 + n0 - 3) / known
    return _welch(estimate, parts, (n1, n0), confidence, slope_error, spent=1)


def paired_cuped(
    treatment: ArrayLike,
    control: ArrayLike,
    before_treatment: ArrayLike,
    before_control: ArrayLike,
    confidence: float = 0.95,
) -> Interval:
    """The mean of treatment - control over pairs, less what their difference from before explains.

    Element k of all four belongs to pair k, such as two users matched by country, or one user in two periods.
    The intercept of the regression of the differences on those from before, which are 0 on average by
    randomisation: CUPED as above, with Student's interval, exact for normal noise. Pairs whose members share
    their past, like the same simulated users under two policies, have nothing to adjust: then it is `paired`.
    Fewer than three pairs, unequal shapes or a number that is not finite: ValueError.
    """
    rows = [
        finite_row(name, values)
        for name, values in (
            ("treatment", treatment),
            ("control", control),
            ("before_treatment", before_treatment),
            ("before_control", before_control),
        )
    ]
    count = len(rows[0])
    if len({len(row) for row in rows}) > 1 or count < 3:
        raise ValueError(f"pairs must be three or more, one to one, got {[len(row) for row in rows]} values")
    y, x = rows[0] - rows[1], rows[2] - rows[3]
    centred = _centred(x, float(max(np.abs(row).max() for row in rows[2:])))
    theta, known = _slope(y - y.mean(), centred)
    if not known:
        return paired(rows[0], rows[1], confidence)
    residuals = y - y.mean() - theta * centred
    variance = float((residuals**2).sum()) / (count - 2)
    estimate = float(y.mean() - theta * x.mean())
    error = (variance * (1 / count + float(x.mean()) ** 2 / known)) ** 0.5
    reach = student(tail_of(confidence), count - 1) * error
    return Interval(estimate, estimate - reach, estimate + reach, confidence, count, error)


def _welch(
    estimate: float,
    parts: tuple[float, float],
    counts: tuple[int, int],
    confidence: float,
    more: float = 0.0,
    spent: int = 0,
) -> Interval:
    """An interval whose squared error is two arms' `parts` and `more`; `spent` degrees are lost."""
    total = sum(parts)
    error = (total + more) ** 0.5
    degrees = 1.0
    if total > 0:
        degrees = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    reach = student(tail_of(confidence), max(degrees - spent, 1.0) + 1) * error
    return Interval(estimate, estimate - reach, estimate + reach, confidence, sum(counts), error)


def _centred(values: Floats, size: float) -> Floats:
    """The values less their mean; zeros where they differ by rounding of numbers of this size alone."""
    if np.ptp(values) <= 1e-12 * size:
        return np.zeros_like(values)
    centred: Floats = values - values.mean()
    return centred


def _slope(y: Floats, x: Floats) -> tuple[float, float]:
    """The slope of centred y on centred x, and the sum of squares of x; 0 and 0 where x does not vary."""
    known = float(x @ x)
    return (float(x @ y) / known, known) if known else (0.0, 0.0)


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
