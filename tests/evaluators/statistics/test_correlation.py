"""Rank correlation agrees with scipy, and its interval covers."""

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import spearman_interval


def test_rank_correlation_agrees_with_scipy_and_is_repeatable() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=30)
    b = np.round(a + rng.normal(size=30))
    first, again = (spearman_interval(a, b, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert first.estimate == pytest.approx(stats.spearmanr(a, b).statistic)
    assert -1 <= first.low < first.estimate < first.high <= 1
    assert first.error == pytest.approx((1 - first.estimate**2) / 30**0.5, rel=0.5)


@pytest.mark.heavy
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
