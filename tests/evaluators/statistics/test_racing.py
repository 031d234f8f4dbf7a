"""A rung keeps a share of its field, and a race keeps who may still be the best."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from recevolve.evaluators.statistics import contenders, survivors


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


def noisy(
    rng: np.random.Generator, truth: Sequence[float], units: int, users: float
) -> dict[str, np.ndarray]:
    """Values of arms on the same units, which differ by `users` for all arms alike."""
    shared = rng.normal(0, users, units)
    return {f"{k}": value + shared + rng.normal(0, 1, units) for k, value in enumerate(truth)}


def test_contenders_are_not_worse_than_the_best_beyond_noise() -> None:
    values = noisy(np.random.default_rng(4), [3.0, 0.0, 2.9, -1.0], 40, users=30.0)
    assert set(contenders(values)) == {"0", "2"}, "what units differ in cancels"
    assert contenders(values)[0] == max(values, key=lambda name: values[name].mean())


def test_the_truly_best_arm_is_rarely_dropped_however_many_look_better() -> None:
    """The best of 15 equals by chance leads; each of the others stays with the confidence that was asked."""
    rng = np.random.default_rng(5)
    dropped = [15 - len(contenders(noisy(rng, [0.0] * 15, 4, 2.0))) for _ in range(300)]
    assert np.mean([each > 0 for each in dropped]) < 0.2


def test_equals_go_by_name_and_one_arm_contends_alone() -> None:
    assert contenders({"b": [1.0, 1.0], "a": [1.0, 1.0]}) == ["a", "b"]
    assert contenders({"only": [1.0]}) == ["only"]


def test_a_race_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one arm"):
        contenders({})
    with pytest.raises(ValueError, match="two or more, one to one"):
        contenders({"a": [1.0, 2.0], "b": [1.0]})
    with pytest.raises(ValueError, match="a must be a row of finite"):
        contenders({"a": [math.nan, 1.0], "b": [1.0, 1.0]})
