"""Most cheats are refused by their text; where that is not looked at, the layer that each names stops it."""

from pathlib import Path

import pytest

from recevolve.evaluators.interaction.judge import InteractionJudge
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Sandbox
from recevolve.population.values.verdict import Status

CHEATS = programs(Path(__file__).with_name("cheats"))
MAY_BE_WRITTEN = {
    "cheap_when_small", "cheap_where_counted", "ignores_embeddings", "index_weights", "late_batch_statistics",
    "training_batch_statistics",
}  # fmt: skip
"""Obey every rule of the language: their trick is what they compute."""


def layer(name: str) -> str:
    return CHEATS[name].split("Caught by: ")[1].split("\n")[0].split(",")[0]


def named(wanted: str) -> list[str]:
    return [name for name in CHEATS if layer(name).endswith(wanted)]


@pytest.mark.parametrize("name", CHEATS)
def test_text_gives_a_cheat_away(name: str) -> None:
    assert bool(check(CHEATS[name], TASK.rules)) == (name not in MAY_BE_WRITTEN)


def test_every_cheat_names_its_layer() -> None:
    stars = {"north star", "companions of its rows at the north star"}
    assert set(map(layer, CHEATS)) == {"properties", "proxy", "harmless"} | stars


@pytest.mark.parametrize("name", named("properties"))
def test_properties_catch(name: str, sandbox: Sandbox) -> None:
    verdict = TASK.examine(CHEATS[name], sandbox)
    assert verdict.status is Status.INVALID
    assert "smallest example" in verdict.reason


@pytest.mark.parametrize("name", named("proxy"))
def test_the_proxy_counts_at_the_real_size(name: str, judge: InteractionJudge, sandbox: Sandbox) -> None:
    assert TASK.examine(CHEATS[name], sandbox).status is Status.SCORED
    verdict = judge.proxy(CHEATS[name], 0, sandbox)
    assert verdict.status is Status.INVALID
    assert "allowed" in verdict.reason


@pytest.mark.parametrize("name", named("north star"))
def test_the_north_star_catches_what_properties_do_not(
    name: str, judge: InteractionJudge, sandbox: Sandbox
) -> None:
    assert TASK.examine(CHEATS[name], sandbox).status is Status.SCORED
    assert judge.proxy(CHEATS[name], 0, sandbox).status is Status.SCORED
    for split in ("selection", "claim"):
        verdict = judge.north_star(CHEATS[name], split, 0, 2, sandbox)
        assert verdict.status is Status.CHEATED
        assert "fresh process" in verdict.reason


def test_looking_for_labels_finds_none(judge: InteractionJudge, sandbox: Sandbox) -> None:
    """It raises where it finds a label or an id; else it is plain concatenation."""
    cheat, honest = CHEATS["reads_labels"], TASK.seeds["concatenation"]
    assert judge.proxy(cheat, 0, sandbox).score == judge.proxy(honest, 0, sandbox).score
    star = judge.north_star(cheat, "claim", 0, 2, sandbox)
    assert star.score == judge.north_star(honest, "claim", 0, 2, sandbox).score


@pytest.mark.parametrize("name", ["hidden_buffer", "regenerated_weights", "index_weights"])
def test_numbers_from_elsewhere_are_found_at_the_real_size_too(
    name: str, judge: InteractionJudge, sandbox: Sandbox
) -> None:
    assert judge.proxy(CHEATS[name], 0, sandbox).status is Status.CHEATED


def test_embeddings_and_parameters_that_it_changes_are_copies(
    judge: InteractionJudge, sandbox: Sandbox
) -> None:
    """Both write into what they are given: neither the model nor the next call sees it."""
    doubled = TASK.seeds["concatenation"].replace("return x.flatten(1)", "return 2.0 * x.flatten(1)")
    for cheat, duplicate in (("writes_embeddings", doubled), ("writes_parameters", None)):
        verdict = judge.proxy(CHEATS[cheat], 0, sandbox)
        assert verdict.status is Status.SCORED
        if duplicate:
            assert (
                abs(verdict.metrics["auc"].value - judge.proxy(duplicate, 0, sandbox).metrics["auc"].value)
                < 0.05
            )
