"""Every cheat is refused by its text; where that is not looked at, the layer that it names stops it."""

from pathlib import Path

import pytest

from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.language.static import check
from recevolve.evaluators.optimizer.judge import OptimizerJudge
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.values.verdict import Status

DATA = {"source": "synthetic", "rows": 6_000}
SETTINGS = {
    "rung_rows": (1_000, 2_000),
    "batch": 64,
    "epochs": 1.0,
    "folds": 2,
    "transfer": False,
}
CHEATS = programs(Path(__file__).with_name("cheats"))
MAY_BE_WRITTEN = {"borrowed_name"}
"""Obeys every rule of the language: its trick is what it does where."""
HONEST = 'HYPERPARAMETERS = {"lr": 0.1}\ndef init(param):\n    return {}\n'
HONEST += 'def update(grad, state, param, step, hp):\n    return param - hp["lr"] * grad, {}\n'


def layer(name: str) -> str:
    return CHEATS[name].split("Caught by: ")[1].split("\n")[0].split(",")[0]


def named(*layers: str) -> list[str]:
    return [name for name in CHEATS if layer(name) in layers]


@pytest.mark.parametrize("name", CHEATS)
def test_text_gives_a_cheat_away(name: str) -> None:
    assert bool(check(CHEATS[name], TASK.rules)) == (name not in MAY_BE_WRITTEN)


@pytest.mark.parametrize("name", named("properties"))
def test_properties_catch(name: str, judge: OptimizerJudge, sandbox: Sandbox) -> None:
    verdict = TASK.examine(CHEATS[name], sandbox)
    assert verdict.status is Status.INVALID
    assert "smallest example" in verdict.reason


@pytest.mark.parametrize("name", named("north star"))
def test_north_star_catches_what_properties_do_not(
    name: str, judge: OptimizerJudge, sandbox: Sandbox
) -> None:
    source = CHEATS[name]
    assert TASK.examine(source, sandbox).status is Status.SCORED
    verdict = judge.north_star(source, "selection", 0, 2, sandbox)
    assert verdict.status in {Status.CHEATED, Status.CRASHED}
    assert verdict.score is None


def test_every_cheat_names_its_layer() -> None:
    assert set(map(layer, CHEATS)) == {"properties", "north star", "harmless"}


@pytest.mark.parametrize("name", ["hidden_training", "patches_torch"])
def test_a_forged_training_is_called_cheating(name: str, sandbox: Sandbox) -> None:
    """In the child the trick works, so that the proxy differs from an honest one; outside it does not."""
    judge = OptimizerJudge(
        DATA, {**SETTINGS, "factors": (1.0,), "rung_factors": (1, 1)}, Limits(cpu_seconds=20.0), "test"
    )
    source = CHEATS[name]
    proxy = judge.proxy(source, 1, sandbox)
    assert proxy.score is not None
    assert proxy.score != judge.proxy(HONEST, 1, sandbox).score
    verdict = judge.north_star(source, "claim", 0, 1, sandbox)
    assert verdict.status is Status.CHEATED
    assert "stepped from outside" in verdict.reason
    unaudited = judge.north_star(source, "claim", 1, 2, sandbox)
    assert unaudited.score == judge.north_star(HONEST, "claim", 1, 2, sandbox).score


@pytest.mark.parametrize("name", ["patient_memory", "shape_memory"])
def test_hidden_memory_is_called_cheating(name: str, judge: OptimizerJudge, sandbox: Sandbox) -> None:
    verdict = judge.north_star(CHEATS[name], "selection", 0, 2, sandbox)
    assert verdict.status is Status.CHEATED
    assert "another order" in verdict.reason


def test_looking_for_answers_finds_none(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    """It raises where it finds the log or more rows than it is trained on; else it is plain descent."""
    for rung in range(judge.rungs):
        cheat = judge.proxy(CHEATS["looks_for_answers"], rung, sandbox)
        assert cheat.score == judge.proxy(HONEST, rung, sandbox).score


def test_a_borrowed_name_does_not_bring_a_borrowed_score(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    cheat, duplicate = CHEATS["borrowed_name"], TASK.seeds["adagrad"]
    assert TASK.examine(cheat, sandbox).facts == TASK.examine(duplicate, sandbox).facts
    assert judge.proxy(cheat, 1, sandbox).score != judge.proxy(duplicate, 1, sandbox).score
