"""Intervals cover as often as they say, small arms included, and scipy agrees where it can."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import Interval, cuped, paired, paired_cuped, two_samples


def test_paired_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 12), rng.normal(0, 1, 12)
    for confidence in (0.9, 0.95, 0.99):
        ours = paired(a, b, confidence)
        theirs = stats.ttest_rel(a, b).confidence_interval(confidence)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert ours.estimate == pytest.approx((a - b).mean())
        assert ours.error == pytest.approx(stats.sem(a - b))
        assert (ours.confidence, ours.count) == (confidence, 12)


def test_paired_covers_and_pairing_pays() -> None:
    rng = np.random.default_rng(1)
    folds, runs, truth = 10, 2000, 0.3
    shared = rng.normal(0, 5, (runs, folds))
    treatment = shared + truth + rng.normal(0, 1, (runs, folds))
    control = shared + rng.normal(0, 1, (runs, folds))
    intervals = [paired(a, b) for a, b in zip(treatment, control, strict=True)]
    covered = np.mean([i.low <= truth <= i.high for i in intervals])
    assert 0.93 <= covered <= 0.97
    assert np.mean([i.high - i.low for i in intervals]) < 3


def test_paired_of_equal_differences_has_no_width() -> None:
    interval = paired([3.0, 5.0, 4.0], [2.0, 4.0, 3.0])
    assert (interval.estimate, interval.low, interval.high, interval.error) == (1.0, 1.0, 1.0, 0.0)
    assert interval.excludes_zero
    assert not paired([1.0, 2.0], [1.0, 2.0]).excludes_zero


@pytest.mark.parametrize(
    ("low", "high", "beyond"), [(-2, -1, True), (-1, 1, False), (0, 1, False), (1, 2, True)]
)
def test_an_interval_tells_whether_it_excludes_zero(low: float, high: float, beyond: bool) -> None:
    assert Interval((low + high) / 2, low, high, 0.95, 3).excludes_zero is beyond


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1.0], [2.0], "two or more"),
        ([], [], "two or more"),
        ([1.0, 2.0], [1.0], "got 2 and 1 values"),
        ([1.0, math.nan], [1.0, 2.0], "treatment must be a row of finite numbers"),
        ([1.0, 2.0], [1.0, math.inf], "control must be a row of finite numbers"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "row of finite numbers"),
    ],
)
def test_pairs_that_are_none_are_refused(a: list[float], b: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        paired(a, b)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        paired([1.0, 2.0], [0.0, 0.5], confidence)


def test_welch_agrees_with_scipy() -> None:
    rng = np.random.default_rng(10)
    a, b = rng.normal(1, 2, 12), rng.normal(0, 1, 40)
    for confidence in (0.9, 0.99):
        ours = two_samples(a.mean(), a.var(ddof=1), 12, b.mean(), b.var(ddof=1), 40, confidence)
        theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert (ours.count, ours.confidence) == (52, confidence)


def test_arms_without_variance_have_no_width() -> None:
    interval = two_samples(1.0, 0.0, 5, 0.5, 0.0, 9)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "summaries",
    [(0, 1, 1, 0, 1, 5), (0, 1, 5, 0, 1, 0), (0, -1, 5, 0, 1, 5), (math.nan, 1, 5, 0, 1, 5)],
)
def test_arms_that_say_nothing_are_refused(summaries: tuple[float, float, int, float, float, int]) -> None:
    with pytest.raises(ValueError, match=r"2 or more|finite"):
        two_samples(*summaries)


def arms(rng: np.random.Generator, n1: int, n0: int, truth: float) -> tuple[np.ndarray, ...]:
    """Two arms whose metric is explained to 80 % by the time before; the treated arm is noisier."""
    x1, x0 = rng.normal(3, 2, n1), rng.normal(3, 2, n0)
    return x1 + truth + rng.normal(0, 1.4, n1), x0 + rng.normal(0, 0.6, n0), x1, x0


@pytest.mark.parametrize(("n1", "n0"), [(6, 6), (8, 25), (200, 100)])
def test_cuped_covers_in_small_arms_too(n1: int, n0: int) -> None:
    rng = np.random.default_rng(11)
    intervals = [cuped(*arms(rng, n1, n0, 0.7)) for _ in range(2000)]
    covered = np.mean([each.low <= 0.7 <= each.high for each in intervals])
    assert 0.93 <= covered <= 0.97
    assert np.mean([each.estimate for each in intervals]) == pytest.approx(0.7, abs=0.1)


def test_cuped_narrows_by_what_is_explained() -> None:
    y1, y0, x1, x0 = arms(np.random.default_rng(12), 4000, 4000, 0.0)
    plain = two_samples(y1.mean(), y1.var(ddof=1), 4000, y0.mean(), y0.var(ddof=1), 4000)
    adjusted = cuped(y1, y0, x1, x0)
    within = np.corrcoef(np.r_[y1 - y1.mean(), y0 - y0.mean()], np.r_[x1 - x1.mean(), x0 - x0.mean()])[0, 1]
    assert adjusted.error / plain.error == pytest.approx((1 - within**2) ** 0.5, rel=0.01)


def test_cuped_removes_the_luck_of_the_draw() -> None:
    """Arms that differ from the start by chance, and in nothing else, have no effect."""
    x1, x0 = np.arange(10.0) + 2, np.arange(10.0)
    adjusted = cuped(3 * x1 + 1, 3 * x0 + 1, x1, x0)
    assert adjusted.estimate == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9 / 3])
def test_a_covariate_that_is_constant_changes_nothing(constant: float) -> None:
    rng = np.random.default_rng(13)
    y1, y0 = rng.normal(1, 1, 9), rng.normal(0, 2, 7)
    plain = two_samples(y1.mean(), y1.var(ddof=1), 9, y0.mean(), y0.var(ddof=1), 7)
    adjusted = cuped(y1, y0, np.full(9, constant), np.full(7, constant))
    assert (adjusted.low, adjusted.high) == pytest.approx((plain.low, plain.high))


def test_paired_cuped_is_the_intercept_of_a_regression() -> None:
    rng = np.random.default_rng(14)
    x1, x0, y1, y0 = rng.normal(size=(4, 15))
    ours = paired_cuped(y1 + x1, y0 + x0, x1, x0)
    theirs = stats.linregress(x1 - x0, y1 + x1 - y0 - x0)
    assert ours.estimate == pytest.approx(theirs.intercept)
    assert ours.error == pytest.approx(theirs.intercept_stderr)
    assert ours.high - ours.estimate == pytest.approx(stats.t.ppf(0.975, 13) * theirs.intercept_stderr)


def test_paired_cuped_covers_and_pays() -> None:
    rng = np.random.default_rng(15)
    adjusted, plain = [], []
    for _ in range(2000):
        x1, x0 = rng.normal(0, 2, (2, 10))
        y1, y0 = x1 + 0.3 + rng.normal(0, 1, 10), x0 + rng.normal(0, 1, 10)
        adjusted.append(paired_cuped(y1, y0, x1, x0))
        plain.append(paired(y1, y0))
    assert 0.93 <= np.mean([each.low <= 0.3 <= each.high for each in adjusted]) <= 0.97
    assert np.mean([each.error for each in adjusted]) < 0.6 * np.mean([each.error for each in plain])


def test_pairs_with_the_same_past_have_nothing_to_adjust() -> None:
    rng = np.random.default_rng(16)
    y1, y0, x = rng.normal(size=(3, 8))
    assert paired_cuped(y1, y0, x, x) == paired(y1, y0)


@pytest.mark.parametrize("adjust", [cuped, paired_cuped])
def test_values_without_their_past_are_refused(adjust: Callable[..., Interval]) -> None:
    for rows in ([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2]), ([1, 2], [1, 2], [1, 2], [1, 2]):
        with pytest.raises(ValueError, match=r"3 or more|three or more"):
            adjust(*rows)
    with pytest.raises(ValueError, match="before_control must be a row of finite numbers"):
        adjust([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, math.nan])
