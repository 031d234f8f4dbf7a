"""Every cheat is refused by its text; where that is not looked at, the layer that it names stops it."""

from pathlib import Path

import pytest

from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.judge import RewardJudge
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.properties import MOST_SPIKES, Rows, draw, spikes
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Sandbox, load
from recevolve.population.values.verdict import Status

CHEATS = programs(Path(__file__).with_name("cheats"))
IN_DIGITS = {
    "equal_predictions": "equal predictions",
    "low_bits": "float32",
    "low_bits_added": "float32",
    "low_bits_split": "float32",
    "three_decimals": "3 decimals",
    "whole_numbers": "whole numbers",
}
"""A form of numbers that each of these knows a log by."""
MAY_BE_WRITTEN = {"constant", "low_bits_in_a_window", "scale_inflation", *IN_DIGITS}
"""Obey every rule of the language: their trick is in the numbers."""


def layer(name: str) -> str:
    return (
        CHEATS[name]
        .split("Caught by: ")[1]
        .split("\n")[0]
        .split(",")[0]
        .removeprefix("forms of rows at the ")
    )


def named(*layers: str) -> list[str]:
    return [name for name in CHEATS if layer(name) in layers]


def test_every_cheat_names_its_layer() -> None:
    assert set(map(layer, CHEATS)) == {"properties", "north star", "harmless"}


@pytest.mark.parametrize("name", CHEATS)
def test_text_gives_a_cheat_away(name: str) -> None:
    assert bool(check(CHEATS[name], TASK.rules)) == (name not in MAY_BE_WRITTEN)


@pytest.mark.parametrize("name", ["label_echo", "popularity_shortcut", "duration_shortcut"])
def test_a_column_that_may_not_be_read_is_told_with_the_reason(name: str) -> None:
    (problem,) = check(CHEATS[name], TASK.rules)
    assert "may not be read: it " in problem.message


@pytest.mark.parametrize("name", named("properties"))
def test_properties_catch(name: str, sandbox: Sandbox) -> None:
    verdict = TASK.examine(CHEATS[name], sandbox)
    assert verdict.status is Status.INVALID
    assert "smallest example" in verdict.reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("label_echo", "it is an outcome"),
        ("future_days", "it is an outcome"),
        ("returned_hint", "it is an outcome"),
        ("item_identity", "it is a context"),
        ("popularity_shortcut", "it is a context"),
        ("scale_inflation", "scale it down"),
        ("batch_rank", "judge each row by itself"),
        ("digits_hash", "no meaning lies in such digits"),
        *((name, "for rows in a form that logs have") for name in IN_DIGITS),
        ("keeps_maximum", "keep nothing"),
        ("constant", "tells 1 apart"),
    ],
)
def test_the_reason_names_the_trick(name: str, words: str, sandbox: Sandbox) -> None:
    assert words in TASK.examine(CHEATS[name], sandbox).reason


@pytest.mark.parametrize(("name", "form"), IN_DIGITS.items())
def test_rows_in_the_form_of_a_log_give_a_cheat_away(name: str, form: str) -> None:
    columns = draw(SIMULATED, Rows(200, 0, form=form))
    assert spikes(SIMULATED, load(CHEATS[name])["reward"], columns, 0) > MOST_SPIKES


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("counts_days", "depends on more than the row"),
        ("counts_weeks", "depends on more than the row"),
        ("large_batches", "depends on more than the row"),
        ("low_bits_in_a_window", "tells rows of a log from others"),
    ],
)
def test_the_north_star_catches_what_properties_do_not(
    name: str, words: str, judge: RewardJudge, sandbox: Sandbox
) -> None:
    source = CHEATS[name]
    assert TASK.examine(source, sandbox).status is Status.SCORED
    verdict = judge.north_star(source, "selection", 0, 2, sandbox)
    assert verdict.status is Status.CHEATED
    assert words in verdict.reason


def test_the_north_star_has_no_other_cheats() -> None:
    assert set(named("north star")) == {
        "counts_days",
        "counts_weeks",
        "large_batches",
        "low_bits_in_a_window",
    }


@pytest.mark.parametrize("name", named("harmless"))
def test_a_harmless_cheat_scores_as_what_it_is(name: str, judge: RewardJudge, sandbox: Sandbox) -> None:
    honest = canonical(TASK.seeds["click_times_watch"])
    for rung in range(judge.rungs):
        assert judge.proxy(CHEATS[name], rung, sandbox).score == judge.proxy(honest, rung, sandbox).score
    mine, theirs = (judge.north_star(one, "claim", 0, 2, sandbox).score for one in (CHEATS[name], honest))
    assert mine == theirs


@pytest.mark.parametrize("name", TASK.seeds)
def test_an_honest_seed_passes_everywhere(name: str, judge: RewardJudge, sandbox: Sandbox) -> None:
    source = canonical(TASK.seeds[name])
    assert TASK.examine(source, sandbox).status is Status.SCORED
    assert all(judge.proxy(source, rung, sandbox).score for rung in range(judge.rungs))
    assert judge.north_star(source, "selection", 0, 2, sandbox).score
    guard = judge.guard(source, sandbox)
    assert all(guard.metrics[metric].value <= limit for metric, limit in TASK.guardrails.items())
