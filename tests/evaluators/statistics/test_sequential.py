"""Sequences hold under looks whenever one likes; p-values and intervals say the same."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from recevolve.evaluators.statistics import MINIMUM, Interval, Moments, always_valid_p, confidence_sequence


def beyond_noise(interval: Interval) -> bool:
    """Whether the interval leaves out 0."""
    return interval.low > 0 or interval.high < 0


def looks(values: np.ndarray, counts: np.ndarray) -> Iterator[list[Moments]]:
    """The moments of each row of (R, N) values after each of `counts` units."""
    sums, squares = values.cumsum(axis=1), (values**2).cumsum(axis=1)
    for row, square in zip(sums, squares, strict=True):
        mean = row[counts - 1] / counts
        variance = np.maximum(square[counts - 1] - counts * mean**2, 0) / (counts - 1)
        yield [Moments(*each) for each in zip(counts.tolist(), mean.tolist(), variance.tolist(), strict=True)]


NULLS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "difference of exponentials": lambda rng, shape: (
        rng.exponential(size=shape) - rng.exponential(size=shape)
    ),
    "difference of rare events": lambda rng, shape: (
        (rng.random(shape) < 0.02) * 1.0 - (rng.random(shape) < 0.02)
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("tuned_at", [100, 1000])
def test_looks_at_any_time_keep_alpha(null: str, tuned_at: int) -> None:
    rng = np.random.default_rng(0)
    counts = np.unique(np.geomspace(MINIMUM, 4000, 40).astype(int))
    wrong = [
        any(beyond_noise(confidence_sequence(each, 0.05, tuned_at=tuned_at)) for each in row)
        for row in looks(NULLS[null](rng, (1000, 4000)), counts)
    ]
    assert np.mean(wrong) <= 0.05


def test_effects_are_found() -> None:
    rng = np.random.default_rng(2)
    counts = np.arange(100, 2001, 100)
    found = [
        any(confidence_sequence(each, 0.05, tuned_at=1000).low > 0 for each in row)
        for row in looks(rng.normal(0.15, 1, (300, 2000)), counts)
    ]
    assert np.mean(found) > 0.9


def test_the_interval_is_the_published_one() -> None:
    """The formula of the paper with its r, written out on its own."""
    moments, alpha, best = Moments(700, 0.3, 4.0), 0.05, 500
    r = min(
        np.geomspace(1e-3, 10, 40_001),
        key=lambda r: (best * r**2 + 1) / (best * r) ** 2 * math.log((best * r**2 + 1) ** 0.5 / alpha),
    )
    reach = 2 * (2 * (700 * r**2 + 1) / (700 * r) ** 2 * math.log((700 * r**2 + 1) ** 0.5 / alpha)) ** 0.5
    ours = confidence_sequence(moments, alpha, tuned_at=best)
    assert (ours.low, ours.high) == pytest.approx((0.3 - reach, 0.3 + reach), rel=1e-5)
    assert (ours.confidence, ours.count, ours.error) == (0.95, 700, pytest.approx((4 / 700) ** 0.5))


def test_it_is_tightest_where_it_was_tuned() -> None:
    moments = Moments(2000, 0.0, 1.0)
    widths = {
        at: confidence_sequence(moments, 0.05, tuned_at=at).high for at in (200, 1000, 1900, 2000, 2100, 9000)
    }
    assert min(widths, key=widths.__getitem__) == 2000


@pytest.mark.parametrize("mean", [-0.4, 0.0, 0.05, 0.12, 0.2, 0.3])
def test_p_and_intervals_of_every_alpha_agree(mean: float) -> None:
    moments = Moments(900, mean, 1.5)
    p = always_valid_p(moments, tuned_at=600)
    assert 0 < p <= 1
    if p > 0.5:
        assert not confidence_sequence(moments, 0.9, tuned_at=600).low > 0
        return
    # Of the chance alpha of a two-sided interval a half lies at each end.
    assert confidence_sequence(moments, 2 * p, tuned_at=600).low > 0
    assert not confidence_sequence(moments, 1.9 * p, tuned_at=600).low > 0


def test_p_falls_with_the_effect_and_is_one_sided() -> None:
    values = [always_valid_p(Moments(900, mean, 1.0), tuned_at=600) for mean in np.linspace(-1, 1, 81)]
    assert all(a >= b for a, b in pairwise(values))
    assert values[0] == 1.0
    assert always_valid_p(Moments(400, 0.2, 2.0), tuned_at=400) < 0.2


@pytest.mark.heavy
def test_p_at_any_time_keeps_its_promise_for_effects_below_zero_too() -> None:
    rng = np.random.default_rng(3)
    counts = np.unique(np.geomspace(MINIMUM, 3000, 40).astype(int))
    for mean in (0.0, -0.02):
        smallest = np.array(
            [
                min(always_valid_p(each, tuned_at=500) for each in row)
                for row in looks(rng.normal(mean, 1, (1000, 3000)), counts)
            ]
        )
        for alpha in (0.01, 0.05, 0.2):
            assert np.mean(smallest <= alpha) <= alpha + 2 * (alpha / 1000) ** 0.5


@pytest.mark.parametrize(
    "moments", [Moments(MINIMUM - 1, 9.0, 1.0), Moments(900, 9.0, 0.0), Moments(900, 9.0, 1e-14)]
)
def test_a_sample_that_knows_too_little_of_its_noise_claims_nothing(moments: Moments) -> None:
    interval = confidence_sequence(moments, 0.05, tuned_at=100)
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert always_valid_p(moments, tuned_at=100) == 1.0


def test_questions_without_sense_are_refused() -> None:
    moments = Moments(500, 0.1, 1.0)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="tuned_at must be above 0"):
            confidence_sequence(moments, 0.05, tuned_at=wrong)
        with pytest.raises(ValueError, match="tuned_at must be above 0"):
            always_valid_p(moments, tuned_at=wrong)
    with pytest.raises(ValueError, match="alpha must lie between"):
        confidence_sequence(moments, 1.0, tuned_at=100)
