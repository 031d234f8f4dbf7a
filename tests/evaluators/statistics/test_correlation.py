"""Rank correlation agrees with scipy and covers; noise is taken out where errors are known."""

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import corrected_correlation, spearman_interval


def test_rank_correlation_agrees_with_scipy_and_is_repeatable() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=30)
    b = np.round(a + rng.normal(size=30))
    first, again = (spearman_interval(a, b, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert first.estimate == pytest.approx(stats.spearmanr(a, b).statistic)
    assert -1 <= first.low < first.estimate < first.high <= 1
    assert first.error == pytest.approx((1 - first.estimate**2) / 30**0.5, rel=0.5)


def test_the_interval_of_a_rank_correlation_covers() -> None:
    rng = np.random.default_rng(5)
    pearson = 0.6
    truth = 6 / np.pi * np.arcsin(pearson / 2)
    covered = 0
    for _ in range(300):
        a = rng.normal(size=60)
        b = pearson * a + (1 - pearson**2) ** 0.5 * rng.normal(size=60)
        interval = spearman_interval(a, b, rng, resamples=400)
        covered += interval.low <= truth <= interval.high
    assert 0.91 <= covered / 300 <= 0.98


def test_rank_correlation_of_few_levels_stands_constant_draws() -> None:
    interval = spearman_interval([0, 0, 0, 1], [0, 0, 0, 1], np.random.default_rng(0))
    assert interval.estimate == pytest.approx(1.0)
    assert interval.low == 0.0


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1, 2, 3], [1, 2, 3], "4 or more"),
        ([1, 2, 3, 4], [1, 2, 3], "4 and 3"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "vary"),
    ],
)
def test_rank_correlation_needs_measures_that_vary(a: list[float], b: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spearman_interval(a, b, np.random.default_rng(0))


def test_ties_are_ranked_in_the_middle() -> None:
    rng = np.random.default_rng(30)
    a, b = rng.integers(0, 3, 40), rng.integers(0, 2, 40)
    ours = spearman_interval(a, b, np.random.default_rng(0))
    assert ours.estimate == pytest.approx(stats.spearmanr(a, b).statistic)


def test_order_is_all_that_ranks_see() -> None:
    rng = np.random.default_rng(31)
    a, b = rng.normal(size=(2, 20))
    plain = spearman_interval(a, b, np.random.default_rng(0))
    assert spearman_interval(np.exp(a), b**3, np.random.default_rng(0)) == plain


def noisy(rng: np.random.Generator, count: int, error: float) -> tuple[np.ndarray, ...]:
    """Two measures of true values that correlate 0.8, each with noise of this error."""
    a = rng.normal(size=count)
    b = 0.8 * a + 0.6 * rng.normal(size=count)
    errors = np.full(count, error)
    return a + error * rng.normal(size=count), b + error * rng.normal(size=count), errors, errors


def test_noise_is_taken_out_of_a_correlation() -> None:
    rng = np.random.default_rng(32)
    corrected, plain = [], []
    for _ in range(100):
        a, b, s, t = noisy(rng, 200, 0.7)
        corrected.append(corrected_correlation(a, b, s, t, rng, resamples=10).estimate)
        plain.append(np.corrcoef(a, b)[0, 1])
    assert np.mean(corrected) == pytest.approx(0.8, abs=0.02)
    assert np.mean(plain) < 0.6


def test_the_interval_of_a_corrected_correlation_covers() -> None:
    rng = np.random.default_rng(33)
    covered = 0
    for _ in range(300):
        interval = corrected_correlation(*noisy(rng, 80, 0.5), rng, resamples=400)
        covered += interval.low <= 0.8 <= interval.high
    assert 0.9 <= covered / 300 <= 0.98


def test_without_noise_it_is_pearsons() -> None:
    rng = np.random.default_rng(34)
    a, b = rng.normal(size=(2, 30))
    ours = corrected_correlation(a, b, np.zeros(30), np.zeros(30), rng)
    assert ours.estimate == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_draws_without_variance_stay_in_range() -> None:
    a, b = [0, 0, 0, 0, 9.0], [0, 0, 0, 0, 9.0]
    interval = corrected_correlation(a, b, [0.5] * 5, [0.5] * 5, np.random.default_rng(0))
    assert -1 <= interval.low <= interval.high <= 1


@pytest.mark.parametrize(
    ("second", "errors", "said"),
    [
        ([1, 2, 3], [0, 0, 0, 0], "4 or more"),
        ([1, 2, 3, 4], [0, 0, 0], "4 or more"),
        ([1, 2, 3, 4], [0, 0, 0, -1], "0 or more"),
        ([1, 2, 3, 4], [9, 9, 9, 9], "second varies no more than its noise"),
        ([1, 1, 1, 1], [0, 0, 0, 0], "second varies no more than its noise"),
    ],
)
def test_measures_that_noise_hides_are_refused(second: list[float], errors: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        corrected_correlation([1, 2, 3, 4], second, [0, 0, 0, 0], errors, np.random.default_rng(0))
