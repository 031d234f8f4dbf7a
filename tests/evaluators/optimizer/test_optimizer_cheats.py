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
MAY_BE_WRITTEN = {
    "borrowed_name", "doubled_gradient", "doubling_accumulator", "early_bird", "last_step_averager",
    "late_stop", "late_time_waster", "other_beta",
}  # fmt: skip
"""These obey every rule of the language: their trick is what they do where, and when."""
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
    layers = {"properties", "north star", "guard", "drawn lengths", "harmless"}
    assert set(map(layer, CHEATS)) == layers | {"duplicate of adagrad", "duplicate of adam"}


@pytest.mark.parametrize("name", named("guard"))
def test_the_guard_catches_what_short_trainings_do_not(
    name: str, judge: OptimizerJudge, sandbox: Sandbox
) -> None:
    source = CHEATS[name]
    assert TASK.examine(source, sandbox).status is Status.SCORED
    assert judge.proxy(source, 1, sandbox).status is Status.SCORED
    verdict = judge.guard(source, sandbox)
    assert verdict.status is Status.INVALID
    assert verdict.reason.startswith("long horizon: ")


@pytest.mark.parametrize("name", named("duplicate of adagrad", "duplicate of adam"))
def test_another_rate_is_a_duplicate(name: str, judge: OptimizerJudge, sandbox: Sandbox) -> None:
    """It behaves as the method at matched steps, is judged alike, and the ratio of rates comes out."""
    source, method = CHEATS[name], TASK.seeds[layer(name).rpartition(" ")[2]]
    cheat, honest = TASK.examine(source, sandbox).facts, TASK.examine(method, sandbox).facts
    assert cheat["behaviour"] == honest["behaviour"]
    factor = {"doubled_gradient": 2.0, "other_beta": 0.99}[name]
    assert honest["matched_lr"] / cheat["matched_lr"] == pytest.approx(factor, rel=1e-4)
    mine, theirs = (judge.proxy(one, 1, sandbox).score for one in (source, method))
    assert mine is not None
    assert theirs is not None
    assert mine.value == pytest.approx(theirs.value, abs=1e-5)


def test_nobody_knows_which_step_is_the_last(judge: OptimizerJudge) -> None:
    """No rung and no fold has the length that the settings name."""
    asked = {rows for rows, _ in judge.race.rungs} | {judge.trainings.rows("selection")}
    drawn = {judge.race.rows(rung) for rung in range(judge.rungs)}
    drawn |= {judge.trainings.of_fold("selection", fold, 2)[0].rows for fold in range(2)}
    assert not asked & drawn
    assert len(drawn) == judge.rungs + 2


def test_a_trick_at_the_last_step_pays_only_where_it_is_known(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The averager is told the length that the settings name, and its last weights are scored."""
    settings = {**SETTINGS, "factors": (1.0,), "rung_factors": (1, 1), "epochs": 2.0, "folds": 6}
    settings["checkpoints"] = 1

    def gains(*folds: int) -> tuple[list[float], list[int]]:
        """What the trick adds in each fold, and the steps that its training has."""
        judge = OptimizerJudge(DATA, settings, Limits(cpu_seconds=20.0), "test")
        steps = [judge.trainings.of_fold("selection", fold, 6)[0].marks[-1] for fold in folds]
        last = judge.setup.marks(judge.trainings.rows("selection"))[-1]
        programs = (cheat.replace("LAST = 94", f"LAST = {step}") for step in (last, 0))
        told, never = (
            [judge.north_star(one, "selection", fold, 6, sandbox).score for fold in folds] for one in programs
        )
        pairs = zip(told, never, strict=True)
        return [one.value - other.value for one, other in pairs if one and other], steps

    cheat = CHEATS["last_step_averager"]
    (shorter, longer, much_longer), steps = gains(1, 2, 5)
    with monkeypatch.context() as patched:
        patched.setattr("recevolve.evaluators.ctr.setup.drawn_length", lambda rows, rng: rows)
        (known,), (last,) = gains(2)
    assert steps[0] < last < steps[1] < steps[2]
    assert known > 0.03
    assert shorter == 0
    assert 0 < abs(longer) < known / 10, "it does fire, and is taken back at the next step"
    assert 0 < abs(much_longer) < known / 10


@pytest.mark.parametrize("name", ["hidden_training", "patches_torch"])
def test_a_forged_training_is_called_cheating(name: str, sandbox: Sandbox) -> None:
    """In the child the trick works, so that the proxy differs from an honest one; outside it does not."""
    judge = OptimizerJudge(
        DATA, {**SETTINGS, "factors": (0.05,), "rung_factors": (1, 1)}, Limits(cpu_seconds=20.0), "test"
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
