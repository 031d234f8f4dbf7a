"""Rounds where a simulator answers: who enters, what is launched, and that the record rebuilds it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.task import recorded_config
from recevolve.engine.experiments.outcomes import table
from recevolve.engine.export.patch import describe
from recevolve.engine.north_star.ablation import of_experiments, of_rounds
from recevolve.engine.north_star.alignment import Elites, correlation, note_at
from recevolve.engine.north_star.effects import plain
from recevolve.engine.propose.journal import Journal
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.history import History
from recevolve.population.values.experiment import State

from ..platform import both, day, killed_then_done, written
from ..toy_runs import TASKS, TOY, command, config_file

PARTS = '''"""Parts that are edited one by one, so that some edits of an elite do nothing."""
import numpy

CONSTANTS = {"a": 0.1, "b": 0.1, "d": 0.0, "e": 0.0}


def f(x, c):
    first = c["a"] * x
    second = c["b"] * numpy.sin(x)
    third = c["d"] * numpy.tanh(x)
    fourth = c["e"] * numpy.square(x)
    return first + second + third + fourth
'''
TABLES: dict[str, Any] = {
    "population": {"islands": 2, "size": 8, "births": 6, "migrate_every": 2},
    "north_star": {"every": 2, "slots": 2, "folds": 2, "audits": 1},
    "budget": {"generations": 8, "seconds": 600},
}


def ran(folder: Path, seed: Path | None = None, **online: Any) -> tuple[Path, dict[str, Any]]:
    """The run's folder and its report; `seed` is in production in place of the kind's own."""
    seeds = {"seeds": [str(seed)]} if seed else {}
    path = config_file(folder, **TABLES, **seeds, online={"backend": "simulator", **online})
    done = command("run", path, "--json")
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ungated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ungated")
    (folder / "parts.py").write_text(PARTS)
    return ran(folder, folder / "parts.py", gate=False, batches=4)


def test_a_file_in_production_is_called_by_its_name(ungated: tuple[Path, dict[str, Any]]) -> None:
    run, report = ungated
    assert report["production"] == "parts.py"
    shown = command("status", run).stdout
    assert "parts.py (in production)" in shown
    assert "gain beyond noise over parts.py" in " ".join(shown.split())
    source = json.loads(command("show", run, "parts.py", "--json").stdout)["source"]
    assert source == PARTS
    unknown = command("show", run, "part.py")
    assert unknown.returncode == 2
    assert "parts.py" in unknown.stderr


def test_what_wins_is_launched_and_exported_without_a_gate(ungated: tuple[Path, dict[str, Any]]) -> None:
    run, report = ungated
    rows = report["online"]["experiments"]
    launched = [row for row in rows if row["state"] == "launched"]
    assert launched
    assert report["winner"]["program"] == max(launched, key=lambda row: row["effect"])["program"]
    assert report["gain"]["sentence"].startswith("Launched in the simulator, not live: ")
    for row in rows:
        assert row["low"] <= row["effect"] <= row["high"]
        assert (row["outcome"] == "win") == (row["low"] > 0)
    assert [Path(folder).name for folder in report["exported"]] == [row["experiment"] for row in launched]
    assert all(list(Path(folder).glob("evolved_*.py")) for folder in report["exported"])
    done = command("replay", *TASKS, run)
    assert done.returncode == 0, done.stdout


def test_a_run_killed_at_its_rounds_equals_one_that_never_was(
    ungated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    seeds = [str(ungated[0].parent / "parts.py")]
    online = {"backend": "simulator", "gate": False, "batches": 4}
    path = config_file(tmp_path, **TABLES, seeds=seeds, online=online)
    killed_then_done(["run", path], 2, 4.0, seed=3)
    with (
        Archive.read(ungated[0] / "archive.db") as whole,
        Archive.read(tmp_path / "run" / "archive.db") as killed,
    ):
        assert killed.compare(whole) == []
        assert any(kept["simplified"] for kept in of_rounds(killed).values()), "something was simplified"


def test_what_is_tried_and_launched_is_the_elite_without_what_does_nothing(
    ungated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, report = ungated
    with Archive.read(run / "archive.db") as archive:
        assert archive.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        tried = {one.program_id for one in archive.experiments().all()}
        causes = of_experiments(archive)
        cut = {name: kept for name, kept in causes.items() if kept["simplified"]}
        past = History(archive.connection, 1)
        assert cut.keys() <= tried
        assert not tried & {kept["program"] for kept in cut.values()}, "no elite is tried twice"
        for name, kept in cut.items():
            (evaluation,) = archive.ablations(name)
            assert evaluation.verdict.score is not None
            assert past.final(name) == (evaluation.stage, evaluation.verdict.score.value)
            assert archive.evaluations_of(name)[0].cell == evaluation.cell
            assert [one.program.id for one in archive.lineage(name)][:2] == [name, kept["program"]]
            assert evaluation.size <= archive.evaluations_of(kept["program"])[0].size
            assert {one.split for one in archive.promotions() if one.program_id == name} >= {"selection"}
        islands = {member.program_id for one in range(9) for member in archive.population(0, one)}
        assert islands & cut.keys(), "islands receive what was tried"
        born = [evaluation.program for one in range(9) for evaluation in archive.evaluations(0, one)]
        assert {parent for one in born for parent in one.parents} & cut.keys()
    for row in report["online"]["experiments"]:
        assert row["edits"] == causes[row["program"]]["edits"]
    winner = report["winner"]
    assert winner["simplified_from"] == causes[winner["program"]]["program"]
    assert report["edits"] == causes[winner["program"]]["edits"]
    assert {edit["removed"] for edit in report["edits"]} == {True, False}
    assert {one["program"] for one in report["alignment"]["elites"]} >= tried


def test_a_round_counts_the_simplified_programs_that_it_commits_itself(
    ungated: tuple[Path, dict[str, Any]],
) -> None:
    with Archive.read(ungated[0] / "archive.db") as archive:
        known = Elites.of(archive)
        assert known is not None
        for round_at in range(0, 9, 2):
            found = correlation(
                [point for point, _ in known.measured(round_at)], recorded_config(archive).seed
            )
            assert note_at(archive, round_at).correlation == (plain(found) if found else None)
        assert found is not None


def test_commands_know_a_simplified_program_and_a_patch_tells_the_effect_of_its_edits(
    ungated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, report = ungated
    winner = report["winner"]["program"]
    shown = json.loads(command("show", run, winner[:10], "--json").stdout)
    assert [one["made_by"] for one in shown["evaluations"]] == ["ablation"]
    line = json.loads(command("lineage", run, winner, "--json").stdout)
    assert [one["program"] for one in line[:2]] == [winner, report["winner"]["simplified_from"]]
    assert command("diff", run, winner, report["winner"]["simplified_from"]).returncode == 0
    assert winner in {one["program"] for one in json.loads(command("top", run, "--json").stdout)}
    assert command("export", *TASKS, run, winner, "-o", tmp_path / "patch").returncode == 0
    rows = {row["experiment"]: row for row in report["online"]["experiments"]}
    with Archive.read(run / "archive.db") as archive:
        for row in (rows[name] for name in report["online"]["launched"]):
            facts = describe(archive, registry.find("toy", [TOY]), row["program"])
            kept = [edit["effect"] for edit in row["edits"] if not edit["removed"]]
            assert [edit["effect"] for edit in facts["edits"]] == kept != []
        stars = Journal(archive, recorded_config(archive)).star_of
        assert stars(winner, 9) == stars(report["winner"]["simplified_from"], 9) is not None


def test_a_replay_finds_ablations_itself(ungated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run = Path(shutil.copytree(ungated[0], tmp_path / "run"))
    with Archive.create_or_open(run / "archive.db") as archive:
        elite, kept = next(iter(of_rounds(archive).items()))
        archive.conclude(f"ablation {elite}", {**kept, "edits": []})
    done = command("replay", *TASKS, run)
    assert done.returncode == 5
    assert f"ablation {elite}" in done.stdout


def test_slots_are_never_overfilled_and_every_step_has_its_reason(
    ungated: tuple[Path, dict[str, Any]],
) -> None:
    with Archive.read(ungated[0] / "archive.db") as archive:
        book = archive.experiments()
        generations = range(0, 9, 2)
        for mark in filter(None, map(book.mark, generations)):
            assert sum(one.undecided for one in book.all(mark.transitions)) <= 2
        assert all(step.reason for step in book.transitions())
        programs = [one.program_id for one in book.all()]
        assert len(programs) == len(set(programs)), "no program is tried twice"
        tests = [one.test for one in book.all() if one.test is not None]
        assert tests == sorted(tests)
        rows = table(archive, recorded_config(archive).online)
        looked_at = {row["program"]: row["backend"] for row in rows if row["effect"] is not None}
        assert looked_at == dict.fromkeys(programs, "simulator")


def test_with_the_gate_a_win_waits_and_without_one_there_is_no_launch(tmp_path: Path) -> None:
    run, report = ran(tmp_path, batches=4)
    assert report["exported"] == []
    won = next(row for row in report["online"]["experiments"] if row["outcome"] == "win")
    assert won["state"] == "decided"
    assert "waits for" in report["gain"]["sentence"]
    done = command("online", "launch", *TASKS, run, won["experiment"], "--approve", "--json")
    assert json.loads(done.stdout)["state"] == "launched"
    file = written(tmp_path / "rows.csv", both(won["experiment"], day(0)))
    with Archive.create_or_open(run / "archive.db"):
        refused = command("online", "ingest", run, file)
        assert refused.returncode == 2, "a simulated run takes no readings, at work or not"
    assert not (run / "inbox").exists()


def test_a_guardrail_of_folds_and_nothing_to_launch(tmp_path: Path) -> None:
    harmful = {"error": {"better": "higher", "absolute": 0.0, "hard": True}}
    run, report = ran(tmp_path, batches=1, gate=False, metrics=harmful)
    rows = report["online"]["experiments"]
    assert {row["state"] for row in rows if row["effect"] is not None and row["effect"] > 0} == {
        "rolled_back"
    }
    assert report["gain"]["sentence"].startswith("No launch: ")
    assert command("replay", *TASKS, run).returncode == 0


@pytest.mark.parametrize(("answers", "star"), [("simulator", "replay"), ("replay", "late_active_days")])
def test_a_backend_that_the_kind_does_not_offer_is_told(answers: str, star: str, tmp_path: Path) -> None:
    tables = {"kind": "reward", "tasks": [], "seeds": [], "reward": {"north_star": star}}
    data = {"source": "simulated"}
    done = command("run", config_file(tmp_path, **tables, data=data, online={"backend": answers}))
    assert done.returncode == 2
    other = {"simulator": "replay", "replay": "simulator"}[answers]
    assert f'online.backend: expected "{other}"' in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()


def test_an_unknown_metric_of_the_kind_is_told(tmp_path: Path) -> None:
    done = command("run", config_file(tmp_path, online={"backend": "replay", "metrics": {"clicks": {}}}))
    assert done.returncode == 2
    assert "toy has error, not clicks" in done.stderr


def test_word_from_outside_makes_a_new_report(ungated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run = Path(shutil.copytree(ungated[0], tmp_path / "run"))
    launched = ungated[1]["online"]["launched"]
    for name in launched:
        assert command("online", "rollback", run, name, "--reason", "it broke").returncode == 0
    done = command("resume", *TASKS, run, "--json")
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["online"]["launched"] == []
    assert report["winner"]["program"] not in {name.partition("-")[2] for name in launched}
    assert command("replay", *TASKS, run).returncode == 0
    with Archive.read(run / "archive.db") as archive:
        assert {one.state for one in archive.experiments().all() if one.id in launched} == {State.ROLLED_BACK}
