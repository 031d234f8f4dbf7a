"""Exploration: what is shown first is chance, and so what follows from it is its effect."""

import numpy as np
import pytest

from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.simulator import (
    Exploration,
    World,
    click_times_watch,
    explore,
    make_users,
    make_world,
    scenario,
    simulate,
)

PEOPLE, DAYS = 12_000, 28


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(scenario("clickbait"), 0)


@pytest.fixture(scope="module")
def log(world: World) -> Exploration:
    return explore(world, make_users(world, PEOPLE, 0), 3)


def test_every_column_has_a_row_for_every_session(log: Exploration) -> None:
    rows = len(log)
    assert rows > 20_000
    assert set(log.signals) == {one.name for one in SIMULATED.columns if one.role != "outcome"}
    assert set(log.outcomes) == {one.name for one in SIMULATED.columns if one.role == "outcome"}
    assert all(each.shape == (rows, 8) and each.dtype == np.float32 for each in log.signals.values())
    for each in (*log.outcomes.values(), log.propensity, log.before):
        assert each.shape == (rows,)
        assert each.dtype == np.float32
    for each in (log.chosen, log.user, log.day):
        assert each.shape == (rows,)
        assert each.dtype == np.int64
    for name, values in log.outcomes.items():
        assert SIMULATED[name].low <= values.min() <= values.max() <= SIMULATED[name].high
    assert len(np.unique(np.stack([log.user, log.day]), axis=1).T) == rows, "one row a session"


def test_what_stands_first_is_drawn_uniformly_whoever_comes(log: Exploration) -> None:
    assert (log.propensity == np.float32(1 / 8)).all()
    for part in (slice(None), log.signals["heavy"][:, 0] == 1, log.before == 0):
        counts = np.bincount(log.chosen[part], minlength=8)
        expected = counts.sum() / 8
        assert ((counts - expected) ** 2 / expected).sum() < 35, "chi-squared with 7 degrees, p about 1e-5"


def test_days_have_a_week_before_them_and_a_week_after(log: Exploration) -> None:
    assert (log.day.min(), log.day.max()) == (7, DAYS - 8)
    assert (log.outcomes["returned"] <= log.outcomes["later_days"]).all()
    first = {}
    for user, day in zip(log.user.tolist(), log.day.tolist(), strict=True):
        first.setdefault(user, []).append(day)
    for row in range(0, len(log), 997):
        user, day = int(log.user[row]), int(log.day[row])
        if day <= DAYS - 15:  # then the next week is in the log
            later = [each for each in first[user] if day < each <= day + 7]
            assert log.outcomes["later_days"][row] == len(later)
            assert log.outcomes["returned"][row] == ((day + 1) in later)
        if day >= 14:
            assert log.before[row] == len([each for each in first[user] if day - 7 <= each < day])


def test_watching_needs_a_click_and_a_log_comes_out_twice(world: World, log: Exploration) -> None:
    assert ((log.outcomes["watched"] > 0) == (log.outcomes["clicked"] == 1)).all()
    again = explore(world, make_users(world, PEOPLE, 0), 3)
    assert (again.chosen == log.chosen).all()
    assert all((again.outcomes[name] == log.outcomes[name]).all() for name in log.outcomes)
    other = explore(world, make_users(world, PEOPLE, 0), 4)
    assert len(other) != len(log) or (other.chosen != log.chosen).any()


def test_predictions_of_what_was_chosen_are_right_on_average(log: Exploration) -> None:
    rows = np.arange(len(log))
    for prediction, outcome, tolerance in (("click", "clicked", 0.03), ("like", "liked", 0.01)):
        predicted = log.signals[prediction][rows, log.chosen]
        assert abs(predicted.mean() - log.outcomes[outcome].mean()) < tolerance
        assert np.corrcoef(predicted, log.outcomes[outcome])[0, 1] > 0.1


def placed(log: Exploration, name: str) -> np.ndarray:
    """Where a signal puts what was shown among the choices: -1/2 last, 1/2 first."""
    scores = log.signals[name]
    return (scores < scores[np.arange(len(log)), log.chosen][:, None]).mean(1) * 8 / 7 - 0.5


def test_the_first_place_alone_tells_which_signals_bring_users_back(log: Exploration) -> None:
    later = log.outcomes["later_days"] - np.polyval(
        np.polyfit(log.before, log.outcomes["later_days"], 2), log.before
    )

    def effect(name: str) -> float:
        rank = placed(log, name)
        return float((rank * later).mean() / (rank.std() * later.std()) * len(log) ** 0.5)

    assert effect("survey") > 3, "in standard errors"
    assert effect("like") > 3
    assert effect("click") < 1
    assert effect("item") < 3
    clicked = log.outcomes["clicked"]
    assert (placed(log, "click") * clicked).mean() > 0.02, "while clicks say the opposite"


def test_users_who_will_drift_have_not_in_a_log_of_the_past() -> None:
    drifting = make_world(scenario("drifting"), 0)
    past = scenario("clickbait")
    assert drifting.parameters.bait_cost == past.bait_cost
    log = explore(drifting, make_users(drifting, 4000, 0), 3)
    later = log.outcomes["later_days"]
    assert (placed(log, "click") * (later - later.mean())).mean() > 0


def test_another_policy_in_production_makes_another_log(world: World) -> None:
    users = make_users(world, 500, 0)
    default, same, other = (
        explore(world, users, 3, policy=policy) for policy in (None, click_times_watch, lambda s: s["survey"])
    )
    assert (default.outcomes["later_days"] == same.outcomes["later_days"]).all()
    assert len(other) > len(default), "which keeps more users"


def test_more_choices_are_rarer_each(world: World) -> None:
    log = explore(world, make_users(world, 500, 0), 3, choices=17, days=16)
    assert log.signals["click"].shape[1] == 17
    assert log.chosen.max() == 16
    assert log.propensity[0] == np.float32(1 / 17)
    assert set(log.day.tolist()) == {7, 8}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"days": 15}, "16 days or more, got 15"),
        ({"choices": 1}, "2 to 17, got 1"),
        ({"choices": 18}, "2 to 17, got 18"),
    ],
)
def test_impossible_experiments_are_refused(world: World, options: dict[str, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        explore(world, make_users(world, 10, 0), 0, **options)


def test_the_draw_moves_nothing_else_of_the_session(world: World) -> None:
    """The north star of production is the same whether the experiment's first place is good or bad later."""
    users = make_users(world, 3000, 0)
    log = explore(world, users, 3)
    rank = placed(log, "survey")
    assert abs(np.corrcoef(rank, log.before)[0, 1]) < 4 / len(log) ** 0.5
    assert abs(np.corrcoef(rank, log.signals["heavy"][:, 0])[0, 1]) < 4 / len(log) ** 0.5
    assert simulate(world, users, click_times_watch, 3).active[0].sum() > 0
