"""A live experiment from queue to launch and rollback, with processes killed in between: nothing is lost."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.experiments.formats import MOST_BYTES, MOST_ROWS
from recevolve.engine.experiments.ingest import INBOX, Letter, receive
from recevolve.evaluators.data import DataError
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.compare import EXPERIMENTS

from ..platform import LIVE, both, csv, day, killed_then_done, row, written
from ..toy_runs import TASKS, command, config_file

FUSED = """
import os, signal, sys
from pathlib import Path
from recevolve.engine.experiments import ingest
from recevolve.population.archive.archive import Archive

run, file, fuse = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
opened = Archive.create_or_open.__func__

def burning(cls, path, **more):
    archive = opened(cls, path, **more)
    left = fuse
    def burn():
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    archive.connection.set_progress_handler(burn, 5)
    return archive

Archive.create_or_open = classmethod(burning)
ingest.receive(run, ingest.Letter(file.read_bytes(), "csv", file.name))
"""
"""An ingest that kills itself after so many steps of SQLite."""


def answer(*arguments: str | Path, code: int = 0) -> Any:
    done = command(*arguments, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def experiments(run: Path) -> dict[str, dict[str, Any]]:
    return {one["experiment"]: one for one in answer("online", "status", run)}


def rows(archive: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(archive) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live run that was killed while it went, and ended with two experiments in training."""
    folder = tmp_path_factory.mktemp("live")
    killed_then_done(["run", config_file(folder, **LIVE)], 2, 2.0, seed=1)
    return folder / "run"


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run"))


def two(run: Path) -> tuple[str, str]:
    found = experiments(run)
    assert {one["state"] for one in found.values()} == {"training"}
    first, second = found
    return first, second


def files(folder: Path, good: str, bad: str) -> list[Path]:
    """Three partial files, out of order, with a duplicate and a correction; one arm harms users."""
    treated, untreated, *_ = both(good, day(1), effect=0.35)
    wrong = row(good, day(0), "control", "days", 5.1)
    return [
        written(folder / "third.csv", [*both(good, day(0), effect=0.35)[:1], wrong, treated]),
        written(
            folder / "first.csv", [treated, *both(good, day(2), effect=0.35), *both(bad, day(0), harm=0.1)]
        ),
        written(
            folder / "second.csv",
            [
                {**wrong, "mean": 5.0, "revision": 1},
                untreated,
                *both(bad, day(1), harm=0.1),
            ],
        ),
    ]


def test_from_queue_to_launch_with_kills_in_between(run: Path, tmp_path: Path) -> None:
    good, bad = two(run)
    queued = answer("online", "queue", *TASKS, run, "-o", tmp_path / "queue")
    assert [one["experiment"] for one in queued] == [good, bad]
    manifest = json.loads((tmp_path / "queue" / good / "manifest.json").read_text())
    assert manifest["decides"]["metric"] == "days"
    assert manifest["guardrails"]["hate"]["limit"] == 0.1
    assert manifest["arms"]["treatment"]["program"].startswith(good.partition("-")[2])
    assert list((tmp_path / "queue" / good).glob("evolved_*.py"))
    example = answer("online", "ingest", run, tmp_path / "queue" / good / "readings.csv", code=5)
    assert example["accepted"] == 0
    assert "EXAMPLE" in example["rejected"][0]["reason"]

    third, first, second = files(tmp_path, good, bad)
    taken = answer("online", "ingest", run, third)
    assert (taken["accepted"], taken["rejected"]) == (3, [])
    assert experiments(run)[good]["state"] == "live"
    whole = Path(shutil.copytree(run, tmp_path / "whole"))
    codes = []
    for fuse in (30, 55, 80):  # of about 100 in this transaction
        line = [sys.executable, "-c", FUSED, run, first, str(fuse)]
        ended = subprocess.run(line, capture_output=True, text=True, check=False)
        codes.append(ended.returncode)
    assert codes == [-signal.SIGKILL] * 3
    again = answer("online", "ingest", run, first)
    once = answer("online", "ingest", whole, first)
    for name in ("ingest", "accepted", "duplicate", "corrected"):
        assert again[name] == once[name]
    assert (once["accepted"], once["duplicate"]) == (8, 1)
    with Archive.read(run / "archive.db") as killed, Archive.read(whole / "archive.db") as other:
        assert killed.compare(other, EXPERIMENTS) == []
    aborted = experiments(run)[bad]
    assert (aborted["state"], aborted["outcome"]) == ("rolled_back", "")
    assert "hate" in aborted["reason"]
    assert experiments(run)[good]["state"] == "live"

    taken = answer("online", "ingest", run, second)
    assert (taken["accepted"], taken["corrected"]) == (5, 1)
    won = experiments(run)[good]
    assert (won["state"], won["outcome"]) == ("decided", "win")
    assert won["effect"] == pytest.approx(0.35)
    assert answer("online", "ingest", run, second)["already_known"]
    assert answer("show", run, bad.partition("-")[2])["evaluations"]

    refused = command("online", "launch", *TASKS, run, good)
    assert refused.returncode == 5
    assert "--approve" in refused.stderr
    assert command("online", "launch", *TASKS, run, bad, "--approve").returncode == 5
    launched = answer("online", "launch", *TASKS, run, good, "--approve")
    assert launched["state"] == "launched"
    assert list(Path(launched["export"]).glob("evolved_*.py"))
    assert command("replay", *TASKS, run).returncode == 0, "a replay agrees with what came from outside"

    killed_then_done(["resume", *TASKS, run, "--set", "budget.generations=7"], 2, 2.5, seed=2)
    after = experiments(run)
    assert after[good]["state"] == "launched"
    assert len(after) == 4, "the slots went to newcomers"
    top = answer("top", run, "-n", "50")
    assert top[0]["program"].startswith(good.partition("-")[2]), "live users outrank the offline north star"
    assert top[-1]["program"].startswith(bad.partition("-")[2])
    report = answer("status", run)["report"]
    assert report["gain"]["sentence"].startswith(f"Launched {top[0]['program']}")
    shown = command("prompt", *TASKS, run).stdout
    assert "(live" in shown, "the journal shows what live users said"

    back = answer("online", "rollback", run, good, "--reason", "a bad week")
    assert (back["state"], back["reason"]) == ("rolled_back", "a bad week")
    assert command("online", "rollback", run, good, "--reason", "again").returncode == 5
    replayed = command("replay", *TASKS, run)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    steps = rows(run / "archive.db", f"SELECT state FROM transitions WHERE experiment = '{good}' ORDER BY id")
    assert [state for (state,) in steps] == [
        "proposed", "validated", "training", "live", "decided", "launched", "rolled_back"
    ]  # fmt: skip
    looks = rows(
        run / "archive.db", "SELECT experiment, ingest, count(*) FROM looks GROUP BY 1, 2 ORDER BY 2"
    )
    assert [number for _, number, _ in looks if number] == [2, 3, 3, 4, 4], "one look each, at each file"


def test_what_comes_while_the_run_works_waits_and_is_taken_in_once(run: Path, tmp_path: Path) -> None:
    good, _ = two(run)
    file = written(tmp_path / "early.csv", both(good, day(0), effect=0.1))
    with Archive.create_or_open(run / "archive.db"):
        for _ in range(2):  # the second time it waits already
            waiting = answer("online", "ingest", run, file)
            assert Path(waiting["waiting"]).read_bytes() == file.read_bytes()
        launch = command("online", "rollback", run, good, "--reason", "x")
        assert launch.returncode == 3
    assert len(list((run / INBOX).iterdir())) == 1
    (run / INBOX / "99-broken.csv").write_text("no readings\n1\n")
    copied = Path(shutil.copytree(run, tmp_path / "copy"))

    done = command("resume", *TASKS, run, "--set", "budget.generations=4")
    assert done.returncode == 0, done.stderr
    assert "4 accepted, 0 rejected" in done.stdout
    assert [one.name for one in (run / INBOX).iterdir()] == ["99-broken.csv.refused"]
    assert experiments(run)[good]["state"] == "live"
    assert command("replay", *TASKS, run).returncode == 0

    other = written(tmp_path / "late.csv", both(good, day(1), effect=0.1))
    taken = answer("online", "ingest", copied, other)
    assert [one["accepted"] for one in taken["before"]] == [4, 0]
    assert taken["before"][1]["refused"]
    assert rows(copied / "archive.db", "SELECT count(*) FROM readings") == [(8,)]


def test_what_no_archive_can_keep_is_refused_and_what_is_huge_changes_nothing(
    run: Path, tmp_path: Path
) -> None:
    good, _ = two(run)
    before = rows(run / "archive.db", "SELECT count(*) FROM ingests")
    names = tmp_path / os.fsdecode(b"day-\xff.json")
    names.write_text(json.dumps([{**both(good, day(0))[0], "arm": "\ud800"}, *both(good, day(0))]))
    taken = answer("online", "ingest", run, names, code=5)
    assert (taken["accepted"], taken["source"]) == (4, "day-\\udcff.json")
    assert "got '\\ud800'" in taken["rejected"][0]["reason"]

    one = json.dumps(both(good, day(1))[0]).encode()
    for name, data in (
        ("digits.json", b"[" + one.replace(b'"count": 1000', b'"count": ' + b"9" * 5000) + b"]"),
        ("rows.json", b"[" + b",".join([one.replace(b"treatment", b"b")] * 2000) + b"]"),
        ("bytes.csv", b"x" * (MOST_BYTES + 1)),
    ):
        (tmp_path / name).write_bytes(data)
        done = command("online", "ingest", run, tmp_path / name)
        assert done.returncode == (5 if name == "digits.json" else 4), done.stderr
        assert "Traceback" not in done.stderr
    bad = [one.replace(b"treatment", b"b")] * 2000
    for many in ([b"{}"] * (MOST_ROWS + 1), bad):  # found before the archive is opened for writing
        with pytest.raises(DataError):
            receive(run, Letter(b"[" + b",".join(many) + b"]", "json", "x"), clock=pytest.fail)
    assert rows(run / "archive.db", "SELECT count(*) FROM ingests") == [(before[0][0] + 2,)], "names, digits"


def test_a_row_of_the_record_that_was_changed_is_seen_by_replay(run: Path, tmp_path: Path) -> None:
    good, _ = two(run)
    answer("online", "ingest", run, written(tmp_path / "a.csv", both(good, day(0), effect=0.1)))
    assert command("replay", *TASKS, run).returncode == 0
    with sqlite3.connect(run / "archive.db") as connection:
        connection.execute("UPDATE readings SET mean = mean + 1 WHERE arm = 'treatment' AND metric = 'days'")
    done = command("replay", *TASKS, run)
    assert done.returncode == 5
    assert "look 0" in done.stdout


def test_a_folder_that_holds_no_run_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(csv(both("0-x", day(0))))
    assert command("online", "ingest", tmp_path / "nothing", file).returncode == 3
    assert not (tmp_path / "nothing").exists()
