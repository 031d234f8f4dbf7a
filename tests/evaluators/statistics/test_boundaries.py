"""Boundaries spend what they say, and equal published ones."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import spending


def test_boundaries_are_the_published_ones() -> None:
    """Five looks, one-sided 0.025 at each side, as printed by gsDesign for sfLDOF and sfLDPocock."""
    assert spending(5, 0.05) == pytest.approx((4.8769, 3.3569, 2.6803, 2.2898, 2.0310), abs=2e-4)
    assert spending(5, 0.05, "pocock") == pytest.approx((2.4380, 2.4268, 2.4101, 2.3966, 2.3859), abs=2e-4)


def test_two_looks_equal_the_bivariate_normal() -> None:
    """An exact answer by another way: the chance that either look crosses, from the joint distribution."""
    first, second = spending(2, 0.05, "pocock", information=[0.3, 1.0])
    joint = stats.multivariate_normal([0, 0], [[1, 0.3**0.5], [0.3**0.5, 1]], seed=0)
    box = joint.cdf([first, second], lower_limit=[-first, -second])
    assert 2 * stats.norm.sf(first) == pytest.approx(0.05 * math.log1p((math.e - 1) * 0.3))
    assert 1 - box == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("kind", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("information", [None, [0.02, 0.03, 0.2, 0.21, 0.6, 0.95, 1.0]])
def test_looks_together_cross_as_often_as_alpha(kind: str, information: Sequence[float] | None) -> None:
    looks = len(information) if information else 7
    shares = np.array(information or [(k + 1) / 7 for k in range(7)])
    boundaries = spending(looks, 0.1, kind, information)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    steps = rng.normal(0, np.sqrt(np.diff(shares, prepend=0)), (100_000, looks))
    z = np.abs(steps.cumsum(axis=1) / np.sqrt(shares))
    assert (z > boundaries).any(axis=1).mean() == pytest.approx(0.1, abs=4 * (0.09 / 100_000) ** 0.5)


def test_a_boundary_depends_on_earlier_looks_alone() -> None:
    whole = spending(4, 0.05, information=[0.1, 0.35, 0.5, 1.0])
    assert spending(2, 0.05, information=[0.1, 0.35]) == pytest.approx(whole[:2], abs=1e-9)
    assert spending(3, 0.05, information=[0.1, 0.35, 0.9])[:2] == pytest.approx(whole[:2], abs=1e-9)


def test_one_look_is_the_fixed_test() -> None:
    for kind in ("obrien_fleming", "pocock"):
        assert spending(1, 0.05, kind) == pytest.approx((stats.norm.isf(0.025),))  # type: ignore[arg-type]


def test_many_looks_cost_little_and_early_ones_may_be_closed() -> None:
    boundaries = spending(28, 0.05)
    assert boundaries[-1] == pytest.approx(2.14, abs=0.01)
    assert all(a > b for a, b in pairwise(boundaries))
    assert spending(2, 0.05, information=[0.001, 1.0])[0] == math.inf


def test_shares_that_sum_to_one_but_for_rounding_are_taken() -> None:
    shares = np.cumsum([0.1] * 10)
    assert spending(10, 0.05, information=[*shares[:-1], 1 + 1e-12])[-1] == pytest.approx(
        spending(10, 0.05)[-1]
    )


@pytest.mark.parametrize(
    ("looks", "alpha", "kind", "information", "said"),
    [
        (0, 0.05, "pocock", None, "1 look or more"),
        (2, 0.0, "pocock", None, "alpha must lie"),
        (2, 0.05, "haybittle", None, "haybittle"),
        (2, 0.05, "pocock", [0.5], "2 increasing shares"),
        (2, 0.05, "pocock", [0.5, 0.5], "increasing"),
        (2, 0.05, "pocock", [0.0, 0.5], "increasing"),
        (2, 0.05, "pocock", [0.5, 1.1], "up to 1"),
        (2, 0.05, "pocock", [0.5, math.nan], "increasing"),
        (3, 0.05, "pocock", [0.5, 0.5 + 1e-9, 1], "too close"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    looks: int, alpha: float, kind: str, information: Sequence[float] | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        spending(looks, alpha, kind, information)  # type: ignore[arg-type]
