"""How much to believe a difference: paired intervals, racing, the correction for picking the best of many."""

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Shrunken:
    """What many noisy estimates say together: the true effects lie around `centre` with spread `spread`.

    `estimates` are each candidate's effect by its own measurement and by that of its field.
    """

    estimates: tuple[float, ...]
    centre: float
    spread: float


@dataclass(frozen=True, slots=True)
class Winner:
    """The best of `trials` candidates: `naive` as measured, `interval` corrected for having picked it."""

    name: str
    naive: float
    interval: Interval
    trials: int


def paired(treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean of treatment - control with Student's interval; element k of both shares fold, seed, users.

    Student 1908; the interval of `scipy.stats.ttest_rel`. Differences that are all equal give an interval of
    no width. Fewer than two pairs, unequal shapes or a number that is not finite: ValueError.
    """
    first, second = _finite("treatment", treatment), _finite("control", control)
    if first.shape != second.shape or len(first) < 2:
        raise ValueError(f"pairs must be two or more, one to one, got {len(first)} and {len(second)} values")
    differences = first - second
    estimate, count = float(differences.mean()), len(differences)
    error = float(differences.std(ddof=1)) / count**0.5
    reach = _quantile(_tail(confidence), count) * error
    return Interval(estimate, estimate - reach, estimate + reach, confidence, count, error)


def survivors(scores: Mapping[str, float], keep: float, floor: int) -> list[str]:
    """The names that reach the next rung, best first: a share `keep`, rounded up, but at least `floor`.

    Higher scores are better, equal ones go by name. One rung of successive halving: Jamieson and Talwalkar
    2016, https://arxiv.org/abs/1502.07943. A share outside (0, 1], a negative floor or a score that is not
    finite: ValueError.
    """
    if not 0 < keep <= 1 or floor < 0:
        raise ValueError(f"keep must lie above 0 and up to 1, floor at 0 or above, got {keep} and {floor}")
    _finite("scores", list(scores.values()))
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    # 0.07 * 100 is 7.000000000000001 in binary, which must not keep an eighth.
    return ranked[: max(int(np.ceil(keep * len(ranked) - 1e-9)), floor)]


def shrink(estimates: Sequence[float], errors: Sequence[float]) -> Shrunken:
    """Each estimate pulled toward the mean of its field, the more so the noisier it is.

    Empirical Bayes with a normal prior: James and Stein 1961, Efron and Morris 1973; the spread of true
    effects by the method of moments, never below zero (Hedges 1983). `errors` are standard errors. As the
    posterior does not depend on why a candidate was looked at, the shrunken estimate of a winner carries no
    winner's curse (Efron 2011, https://doi.org/10.1198/jasa.2011.tm11181). One estimate alone stays as it is.
    """
    y, s = _finite("estimates", estimates), _finite("errors", errors)
    if y.shape != s.shape or not len(y) or (s < 0).any():
        raise ValueError(f"every estimate needs an error of 0 or more, got {len(y)} and {len(s)}")
    if len(y) == 1:
        return Shrunken((float(y[0]),), float(y[0]), 0.0)
    variance = max(0.0, float(y.var(ddof=1) - (s**2).mean()))
    total = s**2 + variance
    weights = 1 / total if (total > 0).all() else np.ones_like(total)
    centre = float(np.average(y, weights=weights))
    trust = np.divide(variance, total, out=np.ones_like(total), where=total > 0)
    return Shrunken(tuple((centre + trust * (y - centre)).tolist()), centre, variance**0.5)


def winner(
    estimates: Mapping[str, float], errors: Mapping[str, float], count: int, confidence: float = 0.95
) -> Winner:
    """The candidate with the highest estimate, equal ones by name, with an estimate and interval to believe.

    `errors` are standard errors, each from `count` measurements. The estimate is the shrunken one, which errs
    on the low side for a lone outlier in a field of equals: its prior is normal. The interval holds whatever
    the true effects are, for independent or positively dependent candidates: picking the largest can only
    flatter, so the lower end takes Sidak's quantile for all candidates (Sidak 1967), and the upper end
    the quantile of a single one; a correction in the sense of "Inference on winners" (Andrews, Kitagawa and
    McCloskey 2024, https://doi.org/10.1093/qje/qjad043), wider at the low end and simpler.
    """
    if estimates.keys() != errors.keys() or not estimates:
        raise ValueError(
            f"every candidate needs an estimate and an error, got {len(estimates)}, {len(errors)}"
        )
    if count < 2:
        raise ValueError(f"an error needs at least two measurements behind it, got {count}")
    names = sorted(estimates, key=lambda name: (-estimates[name], name))
    shrunken = shrink([estimates[name] for name in names], [errors[name] for name in names])
    naive, error = estimates[names[0]], errors[names[0]]
    tail = _tail(confidence)
    low = naive - _quantile(1 - (1 - tail) ** (1 / len(names)), count) * error
    high = naive + _quantile(tail, count) * error
    # With one far outlier in a narrow field the prior is wrong about it; what was measured sets the limit.
    estimate = max(shrunken.estimates[0], low)
    return Winner(names[0], naive, Interval(estimate, low, high, confidence, count, error), len(names))


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
    a, b = _finite("first", first), _finite("second", second)
    if a.shape != b.shape or len(a) < 4:
        raise ValueError(f"a rank correlation needs 4 or more pairs, got {len(a)} and {len(b)} values")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError("a rank correlation needs measures that vary, one of them is constant")
    estimate = float(_correlation(a[None], b[None])[0])
    drawn = rng.integers(0, len(a), (resamples, len(a)))
    replicates = _correlation(a[drawn], b[drawn])
    tail = _tail(confidence)
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


def _quantile(tail: float, count: int) -> float:
    """How many standard errors leave `tail` above them, the error estimated from `count` measurements."""
    return float(stats.t.isf(tail, count - 1))


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return (1 - confidence) / 2


def _finite(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a row of finite numbers, got {array}")
    return array
