"""Halving finds a better arm for the same measurements, spends what it may, and depends on nothing else."""

import math

import numpy as np
import pytest

from recevolve.evaluators.statistics import Measure, halving, survivors


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


def world(
    rng: np.random.Generator, arms: int, units: int, users: float = 2.0
) -> tuple[np.ndarray, Measure, list[tuple[str, range]]]:
    """True means, a measure whose users differ by `users` for all arms alike, and what was asked of it."""
    truth = rng.normal(0, 0.5, arms)
    user = rng.normal(0, users, units)
    noise = rng.normal(0, 1, (arms, units))
    asked: list[tuple[str, range]] = []

    def measure(arm: str, units: range) -> np.ndarray:
        asked.append((arm, units))
        k = int(arm)
        return truth[k] + user[units.start : units.stop] + noise[k, units.start : units.stop]

    return truth, measure, asked


NAMES = [f"{k:02}" for k in range(20)]


@pytest.mark.parametrize("budget", [200, 1013, 4000])
def test_a_race_spends_its_budget_and_no_unit_twice(budget: int) -> None:
    _, measure, asked = world(np.random.default_rng(20), 20, 4000)
    result = halving(NAMES, measure, budget)
    assert budget - 20 < result.spent <= budget
    assert result.best in NAMES
    for name in NAMES:
        units = [unit for arm, each in asked if arm == name for unit in each]
        assert units == list(range(result.moments[name].count))
        values = measure(name, range(len(units)))
        assert result.moments[name].mean == pytest.approx(np.mean(values))


def test_a_race_depends_on_what_it_measures_alone() -> None:
    results = [halving(NAMES, world(np.random.default_rng(21), 20, 2000)[1], 2000) for _ in range(2)]
    assert results[0] == results[1]


@pytest.mark.heavy
@pytest.mark.parametrize("users", [2.0, 0.0])
def test_a_race_regrets_half_of_what_measuring_all_alike_does(users: float) -> None:
    """Forty arms, 2,000 measurements, 60 worlds."""
    names = [f"{k:02}" for k in range(40)]
    raced, alike = 0.0, 0.0
    for seed in range(60):
        truth, measure, _ = world(np.random.default_rng(seed), 40, 2000, users)
        raced += truth.max() - truth[int(halving(names, measure, 2000).best)]
        means = [np.mean(measure(name, range(50))) for name in names]
        alike += truth.max() - truth[int(np.argmax(means))]
    assert raced < 0.5 * alike, (raced, alike)


def test_a_race_of_one_or_of_equals_ends() -> None:
    assert halving(["only"], lambda arm, units: np.ones(len(units)), 100).best == "only"
    assert halving(["b", "a", "c"], lambda arm, units: np.ones(len(units)), 100).best == "a"


def test_a_race_that_makes_no_sense_is_refused() -> None:
    def measure(arm: str, units: range) -> np.ndarray:
        return np.zeros(len(units))

    for arms, budget in ([], 10), (["a", "a"], 100), (["a", "b"], 1):
        with pytest.raises(ValueError, match=r"different names|need a budget"):
            halving(arms, measure, budget)
    with pytest.raises(ValueError, match="was to be measured on"):
        halving(["a", "b"], lambda arm, units: [1.0], 100)
    with pytest.raises(ValueError, match="measured of a must be a row of finite"):
        halving(["a", "b"], lambda arm, units: np.full(len(units), math.nan), 100)
    with pytest.raises(ValueError, match="keep must lie between"):
        halving(["a"], measure, 10, keep=1.0)
