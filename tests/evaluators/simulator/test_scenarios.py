"""Scenarios: clickbait is bad for users where it is said to be, and parameters are read back as written."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from recevolve.evaluators.data import DataError
from recevolve.evaluators.simulator import (
    SCENARIOS,
    Parameters,
    Policy,
    Users,
    World,
    make_users,
    make_world,
    scenario,
    simulate,
)
from recevolve.evaluators.simulator.parameters import LIMITS, SCENARIO_WORDS, changes
from recevolve.evaluators.simulator.sessions import highest, live
from recevolve.evaluators.simulator.world import Floats

WEIGHTS = np.random.default_rng(4).normal(size=(24, 4)).astype(np.float32)


def linear(weights: Floats) -> Callable[[Mapping[str, Floats]], Floats]:
    a, b, c, d = (float(weight) for weight in weights)
    return lambda s: (
        a * s["click"] / 0.15 + b * s["watch"] / 30 + c * s["like"] / 0.03 + d * s["survey"] / 1.8
    )


def first_clicks(world: World, users: Users, policy: Policy) -> float:
    """Clicks per impression on the first day."""
    day = np.zeros((1, len(users)), dtype=bool)
    sessions = list(live(world, users, highest(policy), 1, day, change=1))
    return sum(int(one.clicked.sum()) for one in sessions) / sum(int(one.seen.sum()) for one in sessions)


def figures(name: str, alignment: float | None = None) -> dict[str, float]:
    """Correlations over 24 rewards with weights of either sign, and what clicks gain over any order."""
    world = make_world(scenario(name, alignment), 0)
    users = make_users(world, 1500, 0)
    found = [simulate(world, users, linear(weights), 1) for weights in WEIGHTS]
    late = [one.late_active_days.mean() for one in found]
    early = [one.active[:14].sum(0).mean() for one in found]
    clicks = [one.totals.rate("clicks") for one in found]
    first = [first_clicks(world, users, linear(weights)) for weights in WEIGHTS]
    by_click = simulate(world, users, lambda s: s["click"], 1)
    any_order = simulate(world, users, lambda s: 0 * s["click"], 1)
    return {
        "clicks and late days": spearmanr(clicks, late).statistic,
        "clicks and early days": spearmanr(first, early).statistic,
        "late gain of clicks": (by_click.late_active_days - any_order.late_active_days).mean(),
        "early gain of clicks": (by_click.active[:14].sum(0) - any_order.active[:14].sum(0)).mean(),
    }


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, float]]:
    return {name: figures(name) for name in SCENARIOS}


def test_clickbait_is_what_clicks_reward_and_users_leave_for(facts: dict[str, dict[str, float]]) -> None:
    assert facts["clickbait"]["clicks and late days"] < -0.2
    assert facts["clickbait"]["late gain of clicks"] < -0.4


def test_where_clickbait_costs_nothing_clicks_are_good_for_users(facts: dict[str, dict[str, float]]) -> None:
    assert facts["aligned"]["clicks and late days"] > 0.4
    assert facts["aligned"]["late gain of clicks"] > 0.5


def test_what_early_days_reward_is_wrong_after_users_drift(facts: dict[str, dict[str, float]]) -> None:
    drifting = facts["drifting"]
    assert drifting["clicks and early days"] > 0.7
    assert drifting["clicks and late days"] < 0.2
    assert drifting["early gain of clicks"] > 0.5
    assert drifting["late gain of clicks"] < -0.1


def test_until_they_drift_users_of_two_ends_are_the_same() -> None:
    found = []
    for alignment in (0.0, 1.0):
        world = make_world(scenario("drifting", alignment), 0)
        found.append(simulate(world, make_users(world, 300, 0), lambda s: s["click"], 1).active)
    assert (found[0][:14] == found[1][:14]).all()
    assert (found[0][15:] != found[1][15:]).any()


def test_the_knob_runs_from_clickbait_to_aligned() -> None:
    assert scenario("clickbait", 1.0) == scenario("aligned")
    assert scenario("aligned", 0.0) == scenario("clickbait") == Parameters()
    half = scenario("aligned", 0.5)
    assert (half.bait_cost, half.bait_quality) == pytest.approx((0.55, 0.27))
    assert not half.drifts
    assert scenario("drifting").drifts
    assert scenario("drifting", 1.0).bait_cost == 0
    gains = [figures("clickbait", alignment)["late gain of clicks"] for alignment in (0.0, 0.5, 1.0)]
    assert gains == sorted(gains)


def test_scenarios_differ_in_nothing_else() -> None:
    assert set(SCENARIO_WORDS) == set(SCENARIOS)
    for name in SCENARIOS:
        assert all(changed.startswith("bait_") for changed in changes(scenario(name), Parameters()))


@pytest.mark.parametrize(
    ("name", "alignment", "match"),
    [
        ("clickbat", None, "unknown scenario 'clickbat'; there is aligned, clickbait, drifting"),
        ("aligned", 1.5, "between 0 and 1, got 1.5"),
        ("aligned", float("nan"), "between 0 and 1, got nan"),
    ],
)
def test_other_scenarios_are_refused(name: str, alignment: float | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        scenario(name, alignment)


def test_parameters_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "parameters.toml"
    given = replace(scenario("drifting"), click_base=-1 / 3, items=100)
    path.write_text(given.text("fitted to a log", "on a day"), encoding="utf-8")
    assert Parameters.read(path) == given
    path.write_text("click_base = -2\n", encoding="utf-8")
    assert Parameters.read(path) == replace(Parameters(), click_base=-2)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("click_bse = 1.0", r"unknown parameter 'click_bse' \(did you mean 'click_base'\?\)"),
        ("click_base = ", "not parameters of the simulator"),
        ("click_base = 'high'", "click_base must be a number, got 'high'"),
        ("click_base = nan", "click_base must lie in -1000 to 1000, got nan"),
        ("click_base = true", "click_base must be a number, got True"),
        ("items = 4000.5", "items must be a whole number, got 4000.5"),
        ("slate = 24", "slate must be smaller than its candidates"),
        ("items = 10", "no more than the items"),
        ("memory = 1.5", "memory must lie in 0 to 1, got 1.5"),
    ],
)
def test_wrong_parameters_are_said(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "parameters.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        Parameters.read(path)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="recevolve simulator calibrate"):
        Parameters.read(tmp_path / "none.toml")


def test_every_parameter_says_what_it_is_and_where_it_is_from() -> None:
    for one in fields(Parameters):
        assert one.metadata["words"]
        assert one.metadata["status"] in ("fitted", "assumed", "size")
        low, high = LIMITS[one.name]
        assert low <= asdict(Parameters())[one.name] <= high
    fitted = {one.name for one in fields(Parameters) if one.metadata["status"] == "fitted"}
    assert not fitted & {"bait_cost", "bait_quality", "memory", "sensitivity", "return_gain", "temper"}
