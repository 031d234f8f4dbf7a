"""Statistics: intervals cover as often as they say, winners lose their luck, scipy agrees where it can."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from recevolve.evaluators.statistics import Interval, paired, shrink, spearman_interval, survivors, winner


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


@pytest.mark.parametrize(
    ("count", "keep", "floor", "left"),
    [
        (10, 0.4, 3, 4),
        (10, 0.41, 3, 5),
        (10, 0.1, 3, 3),
        (2, 0.1, 8, 2),
        (100, 0.07, 0, 7),
        (0, 0.5, 2, 0),
        (5, 1, 0, 5),
    ],
)
def test_a_rung_keeps_its_share_and_never_less_than_its_floor(
    count: int, keep: float, floor: int, left: int
) -> None:
    scores = {f"p{k:02}": float(-k) for k in range(count)}
    assert survivors(scores, keep, floor) == sorted(scores)[:left]


def test_ties_go_by_name_whatever_the_order_of_arrival() -> None:
    scores = {"c": 1.0, "a": 1.0, "d": 2.0, "b": 1.0}
    assert survivors(scores, 0.5, 0) == survivors(dict(sorted(scores.items())), 0.5, 0) == ["d", "a"]


@pytest.mark.parametrize(
    ("scores", "keep", "floor", "said"),
    [
        ({"a": 1.0}, 0.0, 1, "keep must lie above 0"),
        ({"a": 1.0}, 1.1, 1, "keep must lie above 0"),
        ({"a": 1.0}, 0.5, -1, "floor at 0 or above"),
        ({"a": math.nan}, 0.5, 1, "scores must be a row of finite"),
    ],
)
def test_a_rung_that_makes_no_sense_is_refused(
    scores: dict[str, float], keep: float, floor: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        survivors(scores, keep, floor)


def test_halving_beats_spending_alike_at_equal_budget() -> None:
    """40 candidates, 400 measurements: racing finds a better one than 10 measurements for each."""
    rng = np.random.default_rng(2)
    alike, raced = [], []
    for _ in range(300):
        truth = {f"{k:02}": value for k, value in enumerate(rng.normal(0, 1, 40))}
        noisy = {name: value + rng.normal(0, 4 / 10**0.5) for name, value in truth.items()}
        alike.append(max(truth.values()) - truth[survivors(noisy, 0.01, 1)[0]])
        left = list(truth)
        for each in (3, 8, 20):
            noisy = {name: truth[name] + rng.normal(0, 4 / each**0.5) for name in left}
            left = survivors(noisy, 0.4, 1)
        raced.append(max(truth.values()) - truth[left[0]])
    assert np.mean(raced) < 0.9 * np.mean(alike)


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
