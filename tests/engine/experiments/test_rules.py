"""The rules of experiments: where they may go, who enters, what decides, and how often that is wrong."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from recevolve.engine.config.config import ConfigError, parse
from recevolve.engine.config.experiments import Measure, Online
from recevolve.engine.experiments.changes import PendingChanges
from recevolve.engine.experiments.round import readings_of
from recevolve.engine.experiments.rules import Plan, admitted, ends, gain, level, look
from recevolve.evaluators.statistics import Moments
from recevolve.population.values.experiment import (
    EDGES,
    Experiment,
    IllegalTransition,
    Look,
    Outcome,
    Reading,
    State,
    Transition,
)
from recevolve.population.values.member import Member
from recevolve.population.values.verdict import Metric, Status, Verdict

RULES = Online(
    backend="live",
    deciding="days",
    users=2_000,
    metrics={
        "days": Measure(low=0.0, high=28.0),
        "hate": Measure(better="lower", relative=0.1),
        "length": Measure(absolute=1.0, hard=True),
    },
)
LIVE = Experiment("0-a", "a", "live", 2, 0, State.LIVE, test=0, alpha=0.05)


def moments(
    day: str, arm: str, mean: float, *, metric: str = "days", count: int = 1000, variance: float = 9.0
) -> Reading:
    return Reading("0-a", day, metric, arm, count, mean, variance)


def days(effect: float, *, metric: str = "days", base: float = 5.0, variance: float = 9.0) -> list[Reading]:
    return [
        moments(
            f"2026-01-0{day}",
            arm,
            base + (effect if arm == "treatment" else 0.0),
            metric=metric,
            variance=variance,
        )
        for day in range(1, 6)
        for arm in ("treatment", "control")
    ]


def looked(readings: Sequence[Reading], rules: Online = RULES) -> dict[str, Look]:
    return {one.metric: one for one in look(LIVE, readings, rules, 0, Plan(units=rules.users))}


def test_every_edge_that_is_not_named_is_refused() -> None:
    for here, there in product(State, State):
        outcome = Outcome.WIN if here in (State.DECIDED, State.LAUNCHED, State.ROLLED_BACK) else Outcome.NONE
        one = replace(LIVE, state=here, outcome=outcome)
        step = Transition(one.id, there, "because", Outcome.LOSS if there is State.DECIDED else Outcome.NONE)
        if there in EDGES[here]:
            assert one.after(step).state is there
        else:
            with pytest.raises(IllegalTransition, match=str(here)):
                one.after(step)


def test_only_a_win_is_launched_and_a_decision_needs_an_outcome() -> None:
    lost = LIVE.after(Transition("0-a", State.DECIDED, "it lost", Outcome.LOSS))
    with pytest.raises(IllegalTransition, match="only a win"):
        lost.after(Transition("0-a", State.LAUNCHED, "all the same"))
    with pytest.raises(IllegalTransition):
        LIVE.after(Transition("0-a", State.DECIDED, "for no reason"))
    with pytest.raises(IllegalTransition):
        LIVE.after(Transition("0-a", State.ROLLED_BACK, "taken back", Outcome.WIN))


def test_win_loss_futile_and_not_yet() -> None:
    assert looked(days(0.5))["days"].decision == "win"
    assert looked(days(-0.5))["days"].decision == "loss"
    assert looked(days(0.1))["days"].decision == "go on"
    assert looked(days(0.0), RULES.model_copy(update={"minimum_effect": 1.0}))["days"].decision == "futile"
    assert looked(days(0.5))["days"].p < 0.05 < looked(days(0.0))["days"].p
    assert not looked([moments("2026-01-01", "treatment", 9.0)]), "one arm says nothing"


def test_a_day_that_one_arm_lacks_and_a_ramp_over_unequal_days_give_no_effect() -> None:
    ramp = [
        moments("2026-01-01", "treatment", 10.0, count=100),
        moments("2026-01-01", "control", 10.0, count=9_900),
        moments("2026-01-02", "treatment", 2.0, count=5_000),
        moments("2026-01-02", "control", 2.0, count=5_000),
        moments("2026-01-03", "treatment", 28.0, count=5_000),
    ]
    found = gain(ramp, "days", higher=True)
    assert found is not None
    assert found.moments.mean == pytest.approx(0.0)
    assert looked(ramp)["days"].decision == "go on"
    pooled = sum(one.mean * one.count for one in ramp[:4:2]) / 5_100
    assert pooled < 2.2 < 6.0, "pooled over days, treatment would have lost"


def test_a_guardrail_aborts_when_its_harm_is_certain_or_where_it_is_hard_at_once() -> None:
    assert looked(days(0.02, metric="hate", base=0.1, variance=0.09))["hate"].decision == "go on"
    assert looked(days(0.1, metric="hate", base=0.1, variance=0.09))["hate"].decision == "abort"
    assert looked(days(-0.1, metric="hate", base=0.2, variance=0.09))["hate"].decision == "go on"
    few = [
        moments("2026-01-01", arm, mean, metric="length", count=3)
        for arm, mean in (("treatment", 1), ("control", 3))
    ]
    assert looked(few)["length"].decision == "abort", "hard: the estimate is enough"


def test_few_folds_are_decided_by_planned_looks() -> None:
    few = Moments(4, 1.0, 0.25)
    wide, narrow = ends(few, 0.05, 10, 5), ends(few, 0.05, 10, 1)
    assert wide is not None
    assert narrow is not None
    assert wide[0] < narrow[0] < 1.0 < narrow[1] < wide[1]
    assert ends(few, 0.05, 10_000, 0) is None, "an asymptotic sequence says nothing of four users"
    assert ends(Moments(1, 1.0, 0.0), 0.05, 10, 5) is None


def test_levels_shrink_with_tests_and_grow_with_wins() -> None:
    tests = [replace(LIVE, id=str(number), test=number) for number in range(4)]
    first, later = level([], 0.05), level(tests, 0.05)
    assert (first[0], later[0]) == (0, 4)
    assert first[1] > later[1]
    won = [replace(one, state=State.LAUNCHED, outcome=Outcome.WIN) for one in tests[:1]] + tests[1:]
    assert level(won, 0.05)[1] > later[1]
    untested = replace(LIVE, id="x", test=None, alpha=None)
    assert level([*tests, untested], 0.05) == later


def newcomer(name: str, score: float, cell: str, bound: float | None = None) -> tuple[Member, float]:
    return Member(name, name, score, name, (cell,), 1), score if bound is None else bound


def test_slots_go_to_the_best_bound_of_each_new_cell_then_to_the_rest() -> None:
    field = [
        newcomer("a", 3.0, "sin"),
        newcomer("b", 2.9, "sin"),
        newcomer("c", 1.0, "tanh"),
        newcomer("d", 0.5, "tanh", bound=2.5),
        newcomer("e", 2.0, "live"),
    ]

    def chosen(places: int) -> list[str]:
        return [one.program_id for one in admitted(field, [("live",)], places)]

    assert chosen(1) == ["a"]
    assert chosen(2) == ["a", "d"], "an uncertain program of another cell before the second of a cell"
    assert chosen(5) == ["a", "d", "b", "e", "c"]
    assert chosen(0) == []


def pending(*experiments: Experiment, rules: Online = RULES) -> PendingChanges:
    return PendingChanges(rules, {one.id: one for one in experiments}, {}, [], 4)


def told(name: str, estimate: float, low: float, high: float) -> Look:
    return Look(name, 0, "days", estimate, low, high, 0.1, 100, 0.01, "go on")


def test_who_is_clearly_behind_a_winner_is_dropped_and_the_best_win_launches_without_a_gate() -> None:
    won = replace(LIVE, state=State.DECIDED, outcome=Outcome.WIN)
    better, behind, unclear = (replace(LIVE, id=name, program_id=name) for name in ("1-b", "2-c", "3-d"))
    better = replace(better, state=State.DECIDED, outcome=Outcome.WIN)
    ends = {"0-a": (1.0, 0.5, 1.5), "1-b": (2.0, 1.0, 3.0), "2-c": (0.0, -0.9, 0.9), "3-d": (0.9, -1, 2.0)}
    looks = [told(name, *between) for name, between in ends.items()]
    for gate in (True, False):
        one = pending(won, better, behind, unclear, rules=RULES.model_copy(update={"gate": gate}))
        one.looks += looks
        one.settle()
        assert one.experiments["2-c"].outcome is Outcome.DROPPED
        assert one.experiments["3-d"].state is State.LIVE
        launched = [name for name, each in one.experiments.items() if each.state is State.LAUNCHED]
        assert launched == ([] if gate else ["1-b"])


def test_a_fold_pairs_unit_by_unit_where_it_can_and_by_its_mean_where_not() -> None:
    def verdict(score: float, *units: float) -> Verdict:
        facts = {"units": list(units)} if units else {}
        return Verdict(Status.SCORED, Metric(score), facts=facts, metrics={"hate": Metric(0.1)})

    rules = Online(backend="simulator", metrics={"hate": Measure(better="lower", relative=0.1)})
    paired, control, hate, _ = readings_of("0-a", 3, verdict(2.0, 1.0, 3.0), verdict(1.0, 1.0, 1.0), rules)
    assert (paired.day, paired.arm, paired.count, paired.mean, paired.variance) == (
        "fold 0003",
        "paired",
        2,
        1.0,
        2.0,
    )
    assert (control.arm, control.mean) == ("control", 1.0)
    assert (hate.metric, hate.count) == ("hate", 1)
    whole, *_ = readings_of("0-a", 3, verdict(2.0), verdict(1.5), rules)
    assert (whole.count, whole.mean) == (1, 0.5)


@pytest.mark.parametrize(
    ("online", "words"),
    [
        ({"backend": "live"}, "online.metrics.score"),
        ({"backend": "live", "deciding": "days", "metrics": {"days": {"low": 0.0}}}, "needs low and high"),
        ({"backend": "simulator", "deciding": "days"}, "leave deciding"),
        ({"metrics": {"days": {"low": 1.0, "high": 0.0}}}, "low must lie below high"),
        ({"metrics": {"days": {"absolute": 1.0, "relative": 0.1}}}, "not both"),
        ({"metrics": {"days": {"hard": True}}}, "needs a limit"),
        ({"backend": "lif"}, "online.backend"),
        ({"alpha": 0.0}, "online.alpha"),
    ],
)
def test_a_wrong_table_is_told_before_anything_starts(online: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({"kind": "toy", "run_dir": "x", "online": online})


@pytest.mark.heavy
def test_without_an_effect_a_win_or_loss_is_rare_however_often_one_looks() -> None:
    """A/A, 400 experiments of 40 days each with a look after every day, at alpha 0.05: two sides together."""
    rng = np.random.default_rng(0)
    rules = RULES.model_copy(update={"metrics": {"days": RULES.metrics["days"]}})
    wrong, repeats = 0, 400
    for _ in range(repeats):
        readings: list[Reading] = []
        levels, counts = rng.normal(5, 1, 40), rng.integers(60, 300, (40, 2))
        for day in range(40):
            for arm, count in zip(("treatment", "control"), counts[day], strict=True):
                values = Moments.of(rng.exponential(levels[day].clip(1), count))
                readings.append(
                    Reading("0-a", f"{day:03}", "days", arm, values.count, values.mean, values.variance)
                )
            if look(LIVE, readings, rules, day, Plan(units=rules.users))[0].decision != "go on":
                wrong += 1
                break
    assert wrong / repeats <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / repeats)
