"""Meetings where a simulator answers: who enters, what is launched, and that the record rebuilds it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.launches import effects
from recevolve.engine.recorded import recorded_config
from recevolve.population.archive import Archive
from recevolve.population.experiment import State

from .platform import both, called, day, killed_then_done, written
from .runs import config_file

TABLES: dict[str, Any] = {
    "population": {"islands": 2, "size": 8, "births": 6, "migrate_every": 2},
    "north_star": {"every": 2, "slots": 2, "folds": 2, "audits": 1},
    "budget": {"generations": 8, "seconds": 600},
}


def ran(folder: Path, **online: Any) -> tuple[Path, dict[str, Any]]:
    """The run's folder and its report."""
    done = called("run", config_file(folder, **TABLES, online={"backend": "simulator", **online}), "--json")
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ungated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    return ran(tmp_path_factory.mktemp("ungated"), gate=False, batches=4)


def test_what_wins_is_launched_and_exported_without_a_gate(ungated: tuple[Path, dict[str, Any]]) -> None:
    run, report = ungated
    rows = report["online"]["experiments"]
    launched = [row for row in rows if row["state"] == "launched"]
    assert launched
    assert report["winner"]["program"] == max(launched, key=lambda row: row["effect"])["program"]
    assert report["gain"]["sentence"].startswith("Launched ")
    for row in rows:
        assert row["low"] <= row["effect"] <= row["high"]
        assert (row["outcome"] == "win") == (row["low"] > 0)
    assert [Path(folder).name for folder in report["exported"]] == [row["experiment"] for row in launched]
    assert all(list(Path(folder).glob("evolved_*.py")) for folder in report["exported"])
    done = called("replay", run)
    assert done.returncode == 0, done.stdout


def test_a_run_killed_at_its_meetings_equals_one_that_never_was(
    ungated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    path = config_file(tmp_path, **TABLES, online={"backend": "simulator", "gate": False, "batches": 4})
    killed_then_done(["run", path], 2, 4.0, seed=3)
    with (
        Archive.read(ungated[0] / "archive.db") as whole,
        Archive.read(tmp_path / "run" / "archive.db") as killed,
    ):
        assert killed.compare(whole) == []


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
        found = effects(archive, recorded_config(archive).online)
        assert {name: effect.source for name, effect in found.items()} == dict.fromkeys(programs, "simulator")


def test_with_the_gate_a_win_waits_and_without_one_there_is_no_launch(tmp_path: Path) -> None:
    run, report = ran(tmp_path, batches=4)
    assert report["exported"] == []
    won = next(row for row in report["online"]["experiments"] if row["outcome"] == "win")
    assert won["state"] == "decided"
    assert "waits for" in report["gain"]["sentence"]
    done = called("online", "launch", run, won["experiment"], "--approve", "--json")
    assert json.loads(done.stdout)["state"] == "launched"
    file = written(tmp_path / "rows.csv", both(won["experiment"], day(0)))
    with Archive.create_or_open(run / "archive.db"):
        refused = called("online", "ingest", run, file)
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
    assert called("replay", run).returncode == 0


def test_an_unknown_metric_of_the_kind_is_told(tmp_path: Path) -> None:
    done = called("run", config_file(tmp_path, online={"backend": "replay", "metrics": {"clicks": {}}}))
    assert done.returncode == 2
    assert "toy has error, not clicks" in done.stderr


def test_word_from_outside_makes_a_new_report(ungated: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run = Path(shutil.copytree(ungated[0], tmp_path / "run"))
    launched = ungated[1]["online"]["launched"]
    for name in launched:
        assert called("online", "rollback", run, name, "--reason", "it broke").returncode == 0
    done = called("resume", run, "--json")
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["online"]["launched"] == []
    assert report["winner"]["program"] not in {name.partition("-")[2] for name in launched}
    assert called("replay", run).returncode == 0
    with Archive.read(run / "archive.db") as archive:
        assert {one.state for one in archive.experiments().all() if one.id in launched} == {State.ROLLED_BACK}
