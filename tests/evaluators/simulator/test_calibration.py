"""Calibration: known parameters come back from what they make, and a log that does not tell is said to."""

from dataclasses import replace

import numpy as np
import pytest

from recevolve.evaluators.data import DataError
from recevolve.evaluators.simulator import Parameters, click_times_watch, make_users, make_world, scenario
from recevolve.evaluators.simulator.behaviour import (
    EVENTS,
    FIGURES,
    KUAIRAND,
    WINDOW,
    Behaviour,
    behave,
    figures,
    weighted_auc,
)
from recevolve.evaluators.simulator.calibration import FREE, calibrate, compare, figures_of, horizon

HIDDEN = replace(
    Parameters(),
    click_base=-1.6,
    watch_choc=2.7,
    watch_kale=1.8,
    watch_spread=1.0,
    like_base=-5.8,
    return_base=-0.7,
    return_spread=1.0,
)


def behaviour(parameters: Parameters, seed: int, people: int = 4000, days: int = 28) -> Behaviour:
    world = make_world(parameters, seed)
    return behave(world, make_users(world, people, seed), click_times_watch, seed, days)


@pytest.fixture(scope="module")
def hidden() -> Behaviour:
    return behaviour(HIDDEN, 50)


def test_known_parameters_come_back(hidden: Behaviour) -> None:
    found = calibrate(figures(hidden), scenario("clickbait"), 3, steps=2, users=1200)
    assert found.before.loss > 10
    assert found.after.loss < 1, "figures of other people are within a tolerance on average"
    assert set(found.fitted) == set(FREE)
    assert found.kept == ()
    for name, reach in {"click_base": 0.2, "watch_choc": 0.3, "watch_kale": 0.3, "return_base": 0.4}.items():
        assert abs(getattr(found.parameters, name) - getattr(HIDDEN, name)) < reach, name
    assert 0.8 < found.parameters.watch_spread < 1.2
    assert 0.7 < found.parameters.return_spread < 1.4
    untouched = set(vars(HIDDEN)) - set(FREE)
    assert all(getattr(found.parameters, name) == getattr(HIDDEN, name) for name in untouched)


def test_a_fit_is_a_function_of_its_arguments(hidden: Behaviour) -> None:
    real = {name: value for name, value in figures(hidden).items() if name in ("click_rate", "next_day")}
    first, again = (calibrate(real, Parameters(), 3, steps=1, users=300, days=14) for _ in range(2))
    assert first == again
    assert first.fitted == ("click_base", "return_base", "return_spread")
    assert calibrate(real, Parameters(), 4, steps=1, users=300, days=14) != first


def test_parameters_that_a_log_does_not_tell_of_keep_their_values() -> None:
    found = calibrate({"click_rate": 0.1}, Parameters(), 0, steps=4, users=500, days=14)
    assert found.fitted == ("click_base",)
    assert set(found.kept) == set(FREE) - {"click_base"}
    assert replace(found.parameters, click_base=Parameters().click_base) == Parameters()
    assert found.after.simulated["click_rate"] == pytest.approx(0.1, abs=0.02)


def test_a_fit_stays_within_the_limits_of_parameters() -> None:
    far = {"log_watch_mean": 40.0, "log_watch_sd": 30.0}
    found = calibrate(far, replace(Parameters(), watch_choc=7.5), 0, steps=2, users=300, days=14)
    assert found.parameters.watch_choc <= 8


def test_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="one step or more, got 0"):
        calibrate({"click_rate": 0.1}, Parameters(), 0, steps=0)


def test_the_published_figures_lie_near_what_was_fitted_to_them() -> None:
    found = compare(KUAIRAND, scenario("clickbait"), 0, 28, 3000)
    assert set(found.real) == set(KUAIRAND) <= set(found.simulated)
    assert found.loss < 3
    assert all(abs(found.distance(name)) < 5 for name in KUAIRAND)
    rows = found.rows()
    assert [row["figure"] for row in rows] == [name for name in FIGURES if name in found.simulated]
    assert {row["figure"] for row in rows if row["real"] is None} == set(found.simulated) - set(KUAIRAND)


def test_figures_are_what_they_are_called() -> None:
    day = np.array([0, 0, 1, 3, 0, 4] * 20)
    user = np.repeat(np.arange(40), 3)
    user[1::6], user[0::6] = user[0::6], user[0::6]
    clicked = np.tile([1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 20)
    watched = clicked * np.tile([30.0, 0.0, 5.0, 0.0, 0.0, 30.0], 20)
    liked = np.tile([1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 20)
    hated = np.tile([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 20)
    found = figures(Behaviour(user, day, clicked, watched, liked, hated))
    assert found["click_rate"] == 0.5
    assert found["long_view_rate"] == pytest.approx(1 / 3)
    assert found["like_rate"] == pytest.approx(1 / 3)
    assert found["clicked_of_liked"] == found["long_of_liked"] == found["auc_watched"] == 1
    assert found["clicked_of_hated"] == 0
    assert found["log_watch_mean"] == pytest.approx(np.log([30, 5, 30]).mean())


def test_gaps_are_between_days_of_one_user_and_in_the_last_days_of_a_log() -> None:
    pairs = [(user, day) for user in range(30) for day in (0, 1, 1, 3)]
    user, day = np.array(pairs).T
    found = figures(Behaviour(user, day))
    assert found == {"next_day": 0.5, "mean_gap": 1.5, "busiest_tenth": 0.1}
    late = day + WINDOW + 5
    both = Behaviour(np.concatenate([user, user]), np.concatenate([day, late]))
    assert figures(both) == found, "what lies before the window is left out"


def test_figures_behind_which_too_little_stands_are_left_out() -> None:
    rows = 10 * EVENTS
    few = np.zeros(rows)
    few[: EVENTS - 1] = 1
    people, day = np.arange(rows), np.zeros(rows, dtype=np.int64)
    assert figures(Behaviour(people, day, clicked=few, watched=few, liked=few, hated=few)) == {}
    assert figures(Behaviour(people, day, clicked=1 - few)) == {}, "nor where nearly all is clicked"
    with pytest.raises(DataError, match="mine gives no figure to compare by"):
        figures_of(Behaviour(people, day, clicked=few), "mine")


def test_an_auc_counts_pairs_with_weights() -> None:
    rng = np.random.default_rng(0)
    values, positive, negative = rng.integers(0, 6, 80).astype(float), rng.random(80), rng.random(80)
    pairs = positive[:, None] * negative[None, :]
    wins = (values[:, None] > values[None, :]) + 0.5 * (values[:, None] == values[None, :])
    assert weighted_auc(values, positive, negative) == pytest.approx((pairs * wins).sum() / pairs.sum())


def test_as_many_days_are_simulated_as_a_log_spans() -> None:
    def spanning(days: int) -> Behaviour:
        return Behaviour(np.zeros(2, dtype=np.int64), np.array([100, 99 + days]))

    assert [horizon(spanning(days)) for days in (1, 30, 300)] == [14, 30, WINDOW]


def test_chances_give_the_figures_that_flags_give() -> None:
    world = make_world(Parameters(), 0)
    users = make_users(world, 6000, 0)
    from recevolve.evaluators.simulator import simulate

    flags = simulate(world, users, click_times_watch, 0).totals
    chances = figures(behave(world, users, click_times_watch, 0))
    assert chances["click_rate"] == pytest.approx(flags.rate("clicks"), rel=1e-6)
    assert chances["like_rate"] == pytest.approx(flags.rate("likes"), rel=0.1)
    assert chances["hate_rate"] == pytest.approx(flags.rate("hates"), rel=0.25)
