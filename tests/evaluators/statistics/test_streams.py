"""LORD++ keeps the share of false discoveries, and its budget, whatever order tests end in."""

import math
from itertools import pairwise

import numpy as np
import pytest

from recevolve.evaluators.statistics import lord_level
from recevolve.evaluators.statistics.streams import gamma


def run(p_values: np.ndarray, lag: int = 0, alpha: float = 0.05) -> list[bool]:
    """What is rejected of a stream whose tests are decided `lag` tests after they started."""
    rejected: list[bool] = []
    for number, p in enumerate(p_values):
        known = [each and k + lag < number for k, each in enumerate(rejected)]
        rejected.append(bool(p <= lord_level(known, number, alpha)))
    return rejected


def test_gamma_shares_out_no_more_than_all() -> None:
    values = [gamma(j) for j in range(1, 2000)]
    assert all(a > b > 0 for a, b in pairwise(values))
    # What follows lies between two integrals of x^-1.3.
    scale = values[0] / 0.3
    assert sum(values) + scale * 2000**-0.3 < 1 < sum(values) + scale * 1999**-0.3


def test_levels_by_hand() -> None:
    assert lord_level([], 0) == pytest.approx(0.025 * gamma(1))
    assert lord_level([False] * 4, 4) == pytest.approx(0.025 * gamma(5))
    assert lord_level([False, True], 2) == pytest.approx(0.025 * gamma(3) + 0.025 * gamma(1))
    assert lord_level([True, False, True], 4, 0.1, 0.01) == pytest.approx(
        0.01 * gamma(5) + 0.09 * gamma(4) + 0.1 * gamma(2)
    )


def test_what_is_not_decided_does_not_count() -> None:
    assert lord_level([True, False, False], 3) == lord_level([True], 3)
    assert lord_level([False, False, True, True], 2) == lord_level([], 2)


def test_spending_never_exceeds_what_was_earned_in_any_order_of_decisions() -> None:
    """The sum of levels so far stays within alpha for each rejection known, the first one free."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = 60
        decided_at = np.arange(count) + rng.integers(1, 30, count)
        rejections = rng.random(count) < rng.choice([0.05, 0.3, 0.9])
        wealth = float(rng.choice([0.001, 0.025, 0.05]))
        spent = 0.0
        for number in range(count):
            known = [bool(rejections[k] and decided_at[k] <= number) for k in range(number)]
            spent += lord_level(known, number, 0.05, wealth)
            assert spent <= 0.05 * max(1, sum(known)) + 1e-12


@pytest.mark.heavy
@pytest.mark.parametrize("lag", [0, 5])
def test_an_all_null_stream_is_rarely_rejected(lag: int) -> None:
    rng = np.random.default_rng(1)
    false = [any(run(rng.random(200), lag)) for _ in range(300)]
    assert np.mean(false) <= 0.05


def test_winners_are_found_and_false_ones_stay_few() -> None:
    rng = np.random.default_rng(2)
    shares, found = [], []
    for _ in range(60):
        true = rng.random(200) < 0.1
        z = rng.normal(size=200) + 3.5 * true
        rejected = np.array(run(0.5 * np.array([math.erfc(each / 2**0.5) for each in z])))
        shares.append((rejected & ~true).sum() / max(1, rejected.sum()))
        found.append((rejected & true).sum() / max(1, true.sum()))
    assert np.mean(shares) <= 0.05
    assert np.mean(found) > 0.5


@pytest.mark.parametrize(
    ("number", "alpha", "wealth"),
    [(-1, 0.05, None), (0, 0.0, None), (0, 1.0, None), (0, 0.05, 0.06), (0, 0.05, 0.0)],
)
def test_a_stream_that_makes_no_sense_is_refused(number: int, alpha: float, wealth: float | None) -> None:
    with pytest.raises(ValueError, match="number must be 0 or more"):
        lord_level([], number, alpha, wealth)
