"""Winners lose their luck: shrinkage equals its formula, intervals of a winner cover."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import paired, shrink, winner


def test_shrinkage_equals_its_formula_for_equal_errors() -> None:
    y = [0.0, 1.0, 2.0, 5.0]
    result = shrink(y, [1.0] * 4)
    variance = np.var(y, ddof=1) - 1
    assert result.spread == pytest.approx(variance**0.5)
    assert result.centre == pytest.approx(2.0)
    assert result.estimates == pytest.approx([2 + variance / (variance + 1) * (v - 2) for v in y])


def test_the_noisier_an_estimate_the_more_it_shrinks() -> None:
    result = shrink([0.0, 4.0, 4.0, -4.0], [0.1, 0.1, 3.0, 0.1])
    assert abs(result.estimates[2] - result.centre) < abs(result.estimates[1] - result.centre)
    assert result.estimates[1] == pytest.approx(4.0, abs=0.05)


def test_the_centre_of_a_field_weighs_by_precision() -> None:
    assert shrink([0.0, 1.0], [1.0, 3.0]).centre == pytest.approx((1 / 9) / (1 + 1 / 9))


@pytest.mark.parametrize(
    ("estimates", "errors", "expected"),
    [
        ([1.0, 3.0], [5.0, 5.0], [2.0, 2.0]),
        ([1.0, 3.0], [0.0, 0.0], [1.0, 3.0]),
        ([2.0, 2.0], [0.0, 0.0], [2.0, 2.0]),
        ([2.0, 2.0, 2.0], [0.0, 1.0, 2.0], [2.0, 2.0, 2.0]),
        ([7.0], [3.0], [7.0]),
    ],
)
def test_shrinkage_at_its_limits(estimates: list[float], errors: list[float], expected: list[float]) -> None:
    assert shrink(estimates, errors).estimates == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimates", "errors"),
    [([], []), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, -1.0]), ([1.0, math.nan], [1.0, 1.0])],
)
def test_estimates_without_their_errors_are_refused(estimates: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match=r"error of 0 or more|finite numbers"):
        shrink(estimates, errors)


FIELDS_OF_EFFECTS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "nothing works": lambda rng: np.zeros(20),
    "effects as large as the noise": lambda rng: rng.normal(0.5, 1, 20),
    "one true winner": lambda rng: np.r_[np.zeros(19), 4.0],
}


@pytest.mark.heavy
@pytest.mark.parametrize("field", FIELDS_OF_EFFECTS)
def test_the_interval_of_a_winner_covers_and_its_estimate_is_not_flattered(field: str) -> None:
    rng = np.random.default_rng(3)
    covered, naive_covered, bias, naive_bias = [], [], [], []
    for _ in range(1000):
        truth = FIELDS_OF_EFFECTS[field](rng)
        folds = truth[:, None] + rng.normal(0, 10**0.5, (20, 10))
        means, errors = folds.mean(axis=1), folds.std(axis=1, ddof=1) / 10**0.5
        names = [f"{k:02}" for k in range(20)]
        won = winner(dict(zip(names, means, strict=True)), dict(zip(names, errors, strict=True)), count=10)
        true, interval = truth[int(won.name)], won.interval
        reach = stats.t.ppf(0.975, 9) * interval.error
        covered.append(interval.low <= true <= interval.high)
        naive_covered.append(abs(won.naive - true) <= reach)
        bias.append(interval.estimate - true)
        naive_bias.append(won.naive - true)
    assert np.mean(covered) >= 0.94
    if field == "one true winner":
        assert np.mean(bias) < 0.1
    else:
        assert np.mean(naive_covered) < 0.93
        assert abs(np.mean(bias)) < 0.25 * np.mean(naive_bias)


def test_a_single_candidate_is_not_corrected() -> None:
    values = np.array([1.0, 2.0, 4.0, 3.0])
    plain = paired(values, np.zeros(4))
    won = winner({"only": plain.estimate}, {"only": plain.error}, count=4)
    assert (won.name, won.trials, won.naive) == ("only", 1, plain.estimate)
    assert (won.interval.low, won.interval.high) == pytest.approx((plain.low, plain.high))
    assert won.interval.estimate == plain.estimate


def test_more_trials_lower_the_low_end_and_leave_the_high_one() -> None:
    few, many = (
        winner({f"{k}": -float(k) for k in range(m)}, {f"{k}": 1.0 for k in range(m)}, count=10).interval
        for m in (2, 50)
    )
    assert many.low < few.low
    assert many.high == few.high
    assert few.low <= few.estimate <= few.high


def test_the_estimate_of_a_far_outlier_stays_in_its_interval() -> None:
    effects = {f"{k}": 0.0 for k in range(30)} | {"best": 6.0}
    interval = winner(effects, dict.fromkeys(effects, 1.5), count=30).interval
    assert interval.low <= interval.estimate <= interval.high


def test_equal_winners_go_by_name() -> None:
    assert winner({"b": 1.0, "a": 1.0}, {"a": 1.0, "b": 1.0}, count=3).name == "a"


@pytest.mark.parametrize(
    ("estimates", "errors", "count"), [({}, {}, 5), ({"a": 1.0}, {"b": 1.0}, 5), ({"a": 1.0}, {"a": 1.0}, 1)]
)
def test_a_winner_of_nothing_is_refused(
    estimates: dict[str, float], errors: dict[str, float], count: int
) -> None:
    with pytest.raises(ValueError, match="needs"):
        winner(estimates, errors, count)


def test_of_those_that_a_race_left_the_best_is_taken_and_all_count_as_tried() -> None:
    effects, errors = {"a": 3.0, "b": 2.0, "c": 1.0}, dict.fromkeys("abc", 1.0)
    left = winner(effects, errors, count=10, left={"b", "c"})
    assert (left.name, left.naive, left.trials) == ("b", 2.0, 3)
    alone = winner({"b": 2.0, "c": 1.0}, dict.fromkeys("bc", 1.0), count=10)
    assert left.interval.low < alone.interval.low
