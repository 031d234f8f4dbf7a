"""Effects pair as finely as the verdicts allow, and claim no more than they know."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from recevolve.engine.north_star.effects import difference, north_star_effect, plain, proxy_effect
from recevolve.population.values.verdict import Metric, Status, Verdict


def scored(value: float, spread: float | None = None, **facts: Any) -> Verdict:
    return Verdict(Status.SCORED, Metric(value, spread, 10), facts=facts)


def test_units_pair_where_both_name_them_and_halve_the_noise_that_they_share() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(2, 50))
    ours = [scored(0.0, units=list(row + 0.1 + 0.01 * rng.normal(size=50))) for row in shared]
    theirs = [scored(0.0, units=list(row)) for row in shared]
    effect = north_star_effect(ours, theirs)
    assert effect.estimate == pytest.approx(0.1, abs=0.01)
    assert effect.error < 0.01
    assert effect.count == 100
    one = north_star_effect(ours[:1], theirs[:1])
    oracle = stats.ttest_rel(ours[0].facts["units"], theirs[0].facts["units"])
    assert (one.low, one.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert proxy_effect(ours[0], theirs[0]) == one


def test_folds_pair_where_units_are_missing_or_do_not_match() -> None:
    ours = [scored(1.0), scored(1.2), scored(1.1, units=[1.0, 1.2])]
    theirs = [scored(0.9), scored(1.0), scored(1.0, units=[1.0, 1.0, 1.0])]
    effect = north_star_effect(ours, theirs)
    oracle = stats.ttest_rel([1.0, 1.2, 1.1], [0.9, 1.0, 1.0])
    assert (effect.low, effect.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    with pytest.raises(ValueError, match="one to one"):
        north_star_effect(ours, theirs[:2])


def test_an_error_that_nobody_knows_is_infinite_and_null_in_json() -> None:
    effect = proxy_effect(scored(1.0), scored(0.5, 0.1))
    assert (effect.estimate, effect.low, effect.high) == (0.5, -math.inf, math.inf)
    assert plain(effect)["low"] is plain(effect)["error"] is None
    known = difference(Metric(1.0, 0.3), Metric(0.0, 0.4))
    assert known.error == pytest.approx(0.5)
    assert known.high - known.low == pytest.approx(2 * 1.959964 * 0.5)
