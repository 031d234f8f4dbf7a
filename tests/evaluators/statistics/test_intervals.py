"""Paired intervals cover as often as they say, and scipy agrees."""

import math

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import paired


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


@pytest.mark.heavy
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
