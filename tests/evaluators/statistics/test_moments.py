"""Moments merge to what all values together give, in any order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.evaluators.statistics import Moments

ROWS = st.lists(st.floats(-1e3, 1e3), max_size=20)


@given(ROWS, ROWS)
def test_merging_equals_measuring_together(first: list[float], second: list[float]) -> None:
    merged, whole = Moments.of(first) + Moments.of(second), Moments.of(first + second)
    assert merged.count == whole.count
    assert merged.mean == pytest.approx(whole.mean, abs=1e-9)
    assert merged.variance == pytest.approx(whole.variance, abs=1e-6)
    turned = Moments.of(second) + Moments.of(first)
    assert (turned.count, turned.mean) == (merged.count, pytest.approx(merged.mean, abs=1e-9))
    assert turned.variance == pytest.approx(merged.variance, abs=1e-6)


def test_merging_keeps_its_digits_far_from_zero() -> None:
    values = np.random.default_rng(0).normal(1e9, 1, 1000)
    merged = sum((Moments.of(part) for part in np.split(values, 50)), Moments(0, 0.0, 0.0))
    assert merged.variance == pytest.approx(values.var(ddof=1), rel=1e-6)


@pytest.mark.parametrize(
    ("count", "mean", "variance"),
    [(-1, 0, 0), (5, math.nan, 1), (5, 0, math.inf), (5, 0, -1), (1, 0, 2), (0, 3, 0)],
)
def test_moments_that_cannot_be_are_refused(count: int, mean: float, variance: float) -> None:
    with pytest.raises(ValueError, match=r"0 or more|no variance"):
        Moments(count, mean, variance)
