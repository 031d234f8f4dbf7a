"""Off-policy values cover the truth as often as they say; a log is not asked for what it does not know."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from recevolve.evaluators.statistics import Interval, PolicyValue, cannot_rank, doubly_robust, snips

ACTIONS = 5


@dataclass(frozen=True)
class Log:
    """A log of a softmax policy over five actions, and the probabilities of another."""

    rewards: np.ndarray
    target: np.ndarray
    logged: np.ndarray
    predicted: np.ndarray
    predicted_target: np.ndarray
    truth: float


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def make(rng: np.random.Generator, rows: int, taste: float = 1.0) -> Log:
    """Rewards are clicks; the model of them is wrong by a factor and an offset."""
    context = rng.normal(size=(rows, ACTIONS))
    chance = 1 / (1 + np.exp(-context + 0.5 * np.arange(ACTIONS)))
    logging, target = softmax(0.5 * context), softmax(taste * context - 0.3 * np.arange(ACTIONS))
    chosen = (logging.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(0, ACTIONS - 1)
    at = np.arange(rows), chosen
    model = 0.1 + 0.7 * chance
    return Log(
        (rng.random(rows) < chance[at]).astype(float),
        target[at],
        logging[at],
        model[at],
        (target * model).sum(axis=1),
        float((target * chance).sum(axis=1).mean()),
    )


METHODS: dict[str, Callable[[Log], PolicyValue]] = {
    "snips": lambda log: snips(log.rewards, log.target, log.logged),
    "dr": lambda log: doubly_robust(log.rewards, log.target, log.logged, log.predicted, log.predicted_target),
}
TRUTH = make(np.random.default_rng(0), 1_000_000).truth


@pytest.mark.heavy
@pytest.mark.parametrize("method", METHODS)
def test_intervals_cover_the_value_on_the_policys_own_traffic(method: str) -> None:
    rng = np.random.default_rng(1)
    values = [METHODS[method](make(rng, 600)) for _ in range(1000)]
    covered = np.mean([each.interval.low <= TRUTH <= each.interval.high for each in values])
    assert 0.93 <= covered <= 0.97
    assert np.mean([each.interval.estimate for each in values]) == pytest.approx(TRUTH, abs=0.005)


def test_a_model_narrows() -> None:
    log = make(np.random.default_rng(2), 20_000)
    errors = {name: method(log).interval.error for name, method in METHODS.items()}
    assert errors["dr"] < errors["snips"]


def test_the_logs_own_policy_is_its_mean_reward() -> None:
    log = make(np.random.default_rng(3), 500)
    log = replace(log, target=log.logged)
    value = METHODS["snips"](log)
    assert value.interval.estimate == pytest.approx(log.rewards.mean())
    assert value.interval.error == pytest.approx(log.rewards.std(ddof=1) / 500**0.5)
    assert value.effective_size == pytest.approx(500)


def test_normalised_values_move_with_the_rewards() -> None:
    log = make(np.random.default_rng(4), 500)
    moved = METHODS["snips"](replace(log, rewards=log.rewards + 100)).interval
    plain = METHODS["snips"](log).interval
    assert (moved.estimate, moved.error) == pytest.approx((plain.estimate + 100, plain.error))


def test_the_effective_size_falls_as_policies_part() -> None:
    rng = np.random.default_rng(5)
    sizes = [
        snips(log.rewards, log.target, log.logged).effective_size
        for log in (make(rng, 2000, t) for t in (0.5, 2, 6))
    ]
    assert sizes[0] > sizes[1] > sizes[2]
    weights = np.array([1.0, 1.0, 2.0])
    assert snips(np.zeros(3), weights / 4, [0.25] * 3).effective_size == pytest.approx(16 / 6)


def test_rows_of_one_user_are_not_taken_for_many() -> None:
    """Each user's rows repeat: the error is that of the users, however many rows they bring."""
    log = make(np.random.default_rng(6), 400)
    fields = (log.rewards, log.target, log.logged, log.predicted, log.predicted_target)
    rewards, target, logged, predicted, expected = (np.repeat(each, 9) for each in fields)
    users = np.repeat([f"user {k}" for k in range(400)], 9)
    for name, value in (
        ("snips", snips(rewards, target, logged, units=users)),
        ("dr", doubly_robust(rewards, target, logged, predicted, expected, units=users)),
    ):
        plain = METHODS[name](log).interval
        assert value.interval.error == pytest.approx(plain.error)
        assert (value.interval.low, value.interval.count) == (pytest.approx(plain.low), 400)


def test_a_policy_that_takes_nothing_of_the_log_has_no_value() -> None:
    value = snips([1.0, 0.0], [0.0, 0.0], [0.5, 0.5])
    assert math.isnan(value.interval.estimate)
    assert (value.interval.low, value.interval.high) == (-math.inf, math.inf)
    assert value.effective_size == 0.0
    assert "0 rows" in cannot_rank({"a": value, "b": value})


def test_tiny_propensities_do_not_overflow() -> None:
    log = make(np.random.default_rng(7), 50)
    value = METHODS["snips"](replace(log, logged=np.full(50, 1e-100)))
    assert math.isfinite(value.interval.error)
    assert 0 < value.effective_size <= 50


@pytest.mark.parametrize(
    ("rewards", "target", "logged", "said"),
    [
        ([1.0], [1.0], [1.0], "two rows or more"),
        ([1.0, 0.0], [1.0], [1.0, 1.0], "got 2, 1 and 2"),
        ([1.0, 0.0], [1.0, 1.0], [1.0, 0.0], "logged in"),
        ([1.0, 0.0], [1.0, -0.1], [1.0, 1.0], "target must lie"),
        ([1.0, 0.0], [1.0, 1.1], [1.0, 1.0], "target must lie"),
        ([1.0, 0.0], [1.0, 1.0], [1.0, 1.1], "logged in"),
        ([1.0, math.nan], [1.0, 1.0], [1.0, 1.0], "rewards must be a row of finite"),
    ],
)
def test_logs_that_cannot_be_are_refused(
    rewards: list[float], target: list[float], logged: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        snips(rewards, target, logged)


def test_owners_and_predictions_belong_to_rows() -> None:
    with pytest.raises(ValueError, match="owner of each of 2 rows"):
        snips([1.0, 0.0], [1.0, 1.0], [1.0, 1.0], units=["a"])
    with pytest.raises(ValueError, match="rows of two units"):
        snips([1.0, 0.0], [1.0, 1.0], [1.0, 1.0], units=["a", "a"])
    with pytest.raises(ValueError, match="as many predictions"):
        doubly_robust([1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0], [1.0, 1.0])


def value(estimate: float, error: float, effective_size: float = 1000.0) -> PolicyValue:
    """A value as 500 units would give it."""
    reach = 1.9647 * error
    interval = Interval(estimate, estimate - reach, estimate + reach, 0.95, 500, error)
    return PolicyValue(interval, effective_size)


def test_a_log_ranks_what_it_can_tell_apart() -> None:
    assert not cannot_rank({"b": value(0.2, 0.01), "c": value(0.3, 0.01), "a": value(0.2, 0.01)})


def test_a_log_refuses_with_its_reason() -> None:
    alike = cannot_rank({"a": value(0.20, 0.01), "b": value(0.21, 0.01)})
    assert "intervals of all 2 policies overlap" in alike
    thin = cannot_rank({"a": value(0.2, 0.01), "b": value(0.9, 0.01, 12.0)})
    assert "worth 12 rows of b, fewer than 100" in thin
    assert not cannot_rank({"a": value(0.2, 0.01), "b": value(0.9, 0.01, 12.0)}, minimum=10)
    assert "two policies" in cannot_rank({"a": value(0.2, 0.01)})


@pytest.mark.heavy
def test_a_field_without_differences_is_rarely_ranked() -> None:
    """Forty equal policies: the best and the worst look apart by chance, which is not enough."""
    rng = np.random.default_rng(8)
    ranked, naive = 0, 0
    for _ in range(400):
        values = {f"{k}": value(x, 1.0) for k, x in enumerate(rng.normal(0, 1, 40))}
        ranked += not cannot_rank(values)
        intervals = [each.interval for each in values.values()]
        naive += max(each.low for each in intervals) > min(each.high for each in intervals)
    assert ranked / 400 <= 0.05
    assert naive / 400 > 0.4
