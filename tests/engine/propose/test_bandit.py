"""The bandit in simulation: it finds what earns most per dollar, follows a switch, and gives nobody up."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from recevolve.engine.propose.bandit import AWAY, FLOOR, PROBE, Pull, after, believed
from recevolve.population.island.randomness import generator

BIRTHS, DOLLARS = 16, 0.005
Arm = tuple[float, float]
"""The chance of a worth of 0.3, and the cost of a pull."""


def simulate(
    world: Callable[[int], Mapping[str, Arm]],
    generations: int,
    seed: int,
    state: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """(the last state, each generation's shares) where `world` gives the arms of a generation."""
    learnt: dict[str, Any] = dict(state or {})
    history = []
    for number in range(generations):
        arms = world(number)
        rng = generator(seed, "world", number)
        beliefs = believed(learnt, tuple(arms), DOLLARS, generator(seed, "mixture", number))
        shares = {one.arm: one.share for one in beliefs}
        history.append(shares)
        names = rng.choice(list(shares), BIRTHS, p=np.array(list(shares.values())) / sum(shares.values()))
        pulls = [Pull(str(name), 0.3 * (rng.random() < arms[name][0]), arms[name][1]) for name in names]
        learnt = json.loads(json.dumps(after(learnt, pulls, BIRTHS)))
    return learnt, history


def late(history: Sequence[Mapping[str, float]], arm: str, last: int = 10) -> float:
    return sum(shares[arm] for shares in history[-last:]) / last


@pytest.mark.parametrize("seed", range(5))
def test_the_better_arm_at_equal_cost_gets_most_slots(seed: int) -> None:
    _, history = simulate(lambda _: {"good": (0.3, DOLLARS), "poor": (0.05, DOLLARS)}, 40, seed)
    assert late(history, "good") > 0.8


@pytest.mark.parametrize("seed", range(5))
def test_gains_are_weighed_against_their_cost(seed: int) -> None:
    _, history = simulate(lambda _: {"cheap": (0.2, DOLLARS), "dear": (0.4, 20 * DOLLARS)}, 40, seed)
    assert late(history, "cheap") > 0.8
    _, history = simulate(lambda _: {"cheap": (0.02, DOLLARS), "dear": (0.4, 2 * DOLLARS)}, 40, seed)
    assert late(history, "dear") > 0.8


@pytest.mark.parametrize("seed", range(5))
def test_a_switch_is_followed(seed: int) -> None:
    def world(number: int) -> Mapping[str, Arm]:
        return {
            "first": (0.3 if number < 30 else 0.02, DOLLARS),
            "then": (0.02 if number < 30 else 0.3, DOLLARS),
        }

    _, history = simulate(world, 75, seed)
    assert late(history[:30], "first") > 0.7
    assert late(history, "then") > 0.7


def test_no_arm_is_starved_and_shares_are_whole() -> None:
    _, history = simulate(
        lambda _: {"good": (0.6, DOLLARS), **{f"bad {n}": (0.0, 1.0) for n in range(3)}}, 60, 0
    )
    for shares in history:
        assert sum(shares.values()) == pytest.approx(1.0)
        assert min(shares.values()) >= min(FLOOR, 1 / (2 * len(shares))) - 1e-12


def test_with_many_arms_the_floors_leave_half_to_choose() -> None:
    arms = {f"arm {number:02}": (0.0, DOLLARS) for number in range(40)}
    _, history = simulate(lambda _: {**arms, "good": (0.9, DOLLARS)}, 60, 0)
    assert min(history[-1].values()) >= 1 / (2 * 41) - 1e-12
    assert late(history, "good") > 0.15


def test_equal_states_give_equal_beliefs_and_others_differ() -> None:
    state, _ = simulate(lambda _: {"a": (0.2, DOLLARS), "b": (0.2, DOLLARS)}, 5, 3)
    again, _ = simulate(lambda _: {"a": (0.2, DOLLARS), "b": (0.2, DOLLARS)}, 5, 3)
    other, _ = simulate(lambda _: {"a": (0.2, DOLLARS), "b": (0.2, DOLLARS)}, 5, 4)
    assert state == again != other
    rngs = (generator(0, "x"), generator(0, "x"))
    assert believed(state, ("a", "b"), DOLLARS, rngs[0]) == believed(again, ("a", "b"), DOLLARS, rngs[1])


def test_an_arm_that_is_away_is_probed_rarely_until_it_is_back() -> None:
    state = after({}, [Pull("model", 0.3, DOLLARS)] * 8 + [Pull("syntax", 0.0, DOLLARS)] * 8, BIRTHS)
    state = after(state, [Pull("model", 0.0, 0.0, absent=True)] * AWAY, BIRTHS)
    model, _ = believed(state, ("model", "syntax"), DOLLARS, generator(0, "x"))
    assert model.share == pytest.approx(PROBE)
    assert model.pulls == 8, "what was not to be had was not pulled"
    state = after(state, [Pull("model", 0.3, DOLLARS)], BIRTHS)
    model, _ = believed(state, ("model", "syntax"), DOLLARS, generator(0, "x"))
    assert model.share > 0.5


def test_where_every_arm_is_away_all_are_asked_alike() -> None:
    state = after({}, [Pull(arm, 0.0, 0.0, absent=True) for arm in ("a", "b") for _ in range(AWAY)], BIRTHS)
    assert [one.share for one in believed(state, ("a", "b"), DOLLARS, generator(0, "x"))] == [0.5, 0.5]


def test_what_absences_cost_is_not_forgotten() -> None:
    idle = after({}, [Pull("a", 0.1, DOLLARS)] * 4, BIRTHS)
    paid = after(idle, [Pull("a", 0.0, 1.0, absent=True)], BIRTHS)
    free = after(idle, [Pull("a", 0.0, 0.0, absent=True)], BIRTHS)
    costs = [believed(state, ("a",), DOLLARS, generator(0, "x"))[0].cost for state in (paid, free)]
    assert costs[0] > 10 * costs[1]


def test_a_run_resumed_with_other_models_keeps_what_it_knows_of_the_rest() -> None:
    state, _ = simulate(lambda _: {"old": (0.3, DOLLARS), "syntax": (0.1, DOLLARS)}, 20, 0)
    new, syntax = believed(state, ("new", "syntax"), DOLLARS, generator(0, "x"))
    assert new.pulls == 0
    assert FLOOR <= new.share < 1
    assert syntax.pulls == state["syntax"]["pulls"]
    state, _ = simulate(lambda _: {"new": (0.3, DOLLARS), "syntax": (0.1, DOLLARS)}, 250, 1, state)
    assert "old" not in state, "an arm that is gone fades out of the state"


def test_a_new_arm_starts_as_an_average_one() -> None:
    state, _ = simulate(lambda _: {"a": (0.5, DOLLARS)}, 30, 0)
    a, new = believed(state, ("a", "new"), DOLLARS, generator(0, "x"))
    assert new.credit == pytest.approx(a.credit, rel=0.1)
    assert new.cost == pytest.approx(a.cost, rel=0.1)
