"""The long horizon passes rules that live, and names what is wrong with those that do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recevolve.evaluators.optimizer.horizon import REGIMES, SHAPE, Landscapes, Trail, survives

Step = Callable[[Any, Any, int], tuple[Any, Any]]
"""(weights, state, number of the step) -> both after it; the gradient is the argument before."""


def walking(step: Callable[[Any, Any, Any, int], tuple[Any, Any]], slots: float = 0.0) -> Any:
    """A walk by a rule in numpy: `step(grads, state, params, number)`."""

    def walk(landscapes: Landscapes, rate: float) -> Trail:
        trail, params = Trail(landscapes), landscapes.start
        state = np.full(params.shape, slots, np.float32)
        trail.begin()
        for number in range(1, landscapes.steps + 1):
            grads = rate * landscapes.gradients(params, number)
            params, state = step(grads, state, params, number)
            trail.note(number, params, lambda: list(state))  # noqa: B023
        return trail

    return walk


def descent(grads: Any, state: Any, params: Any, number: int) -> tuple[Any, Any]:
    return params - 3.0 * grads, state


def grows(factor: float) -> Callable[[Any, Any, Any, int], tuple[Any, Any]]:
    return lambda grads, state, params, number: (params - 3.0 * grads, factor * state + np.abs(grads))


WRONG = {
    "no step": (lambda grads, state, params, number: (params, state), "follow the optimum", REGIMES),
    "stops": (
        lambda grads, state, params, number: (params - 3.0 * grads * (number < 2_000), state),
        "follow the optimum",
        ("moving optimum",),
    ),
    "breaks": (
        lambda grads, state, params, number: (
            params - 3.0 * grads,
            state + (np.inf if number == 4_999 else 0),
        ),
        "not finite",
        REGIMES,
    ),
    "grows by a hundredth": (grows(1.01), "geometrically", REGIMES[:4]),
    "grows by two thousandths": (grows(1.002), "geometrically", REGIMES[:4]),
}


def test_descent_lives() -> None:
    assert survives(walking(descent)) is None


@pytest.mark.parametrize("power", [1, 2, 3])
def test_state_may_grow_as_a_power_of_the_step_number(power: int) -> None:
    def step(grads: Any, state: Any, params: Any, number: int) -> tuple[Any, Any]:
        return params - 3.0 * grads, np.full_like(state, float(number) ** power)

    assert survives(walking(step)) is None


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_live_is_named_with_its_regimes(name: str) -> None:
    step, words, regimes = WRONG[name]
    wrong = survives(walking(step, slots=1.0))
    assert wrong is not None
    assert words in wrong
    for regime in REGIMES:
        assert (regime in wrong) == (regime in regimes)


def test_one_of_the_rates_is_enough() -> None:
    def slow(grads: Any, state: Any, params: Any, number: int) -> tuple[Any, Any]:
        return params - 0.005 * grads, state

    assert survives(walking(slow), ("steady",)) is None
    assert survives(lambda landscapes, rate: walking(slow)(landscapes, min(rate, 1.0)), ("steady",))


def test_all_programs_see_the_same_landscapes() -> None:
    first, second = Landscapes(REGIMES, 100), Landscapes(REGIMES, 100)
    params = np.zeros((len(REGIMES), *SHAPE), np.float32)
    for number in range(1, 101):
        assert np.array_equal(first.gradients(params, number), second.gradients(params, number))
