"""The one law: a run that is killed and resumed equals one that never was, row for row."""

import random
import signal
import subprocess
from pathlib import Path

import pytest

from recevolve.population.archive.archive import Archive

from ..toy_runs import RECEVOLVE, TASKS, command, config_file, descendants, gone

OPTIMIZER = """
kind = "optimizer"
run_dir = "{run_dir}"
seeds = ["adagrad"]
data = {{ source = "synthetic", rows = 6000 }}
population = {{ islands = 2, births = 6, size = 6 }}
north_star = {{ every = 2, slots = 1, folds = 2 }}
budget = {{ generations = 3, seconds = 6000, size = "fixed" }}
guardrails = {{ step_time_ratio = 1e6 }}
optimizer = {{ rung_rows = [500, 1000, 2000], folds = 2, epochs = 0.5, transfer = false, batch = 64 }}
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = command("run", config_file(folder))
    assert done.returncode == 0, done.stderr
    return folder / "run" / "archive.db"


def differences(first: Path, second: Path) -> list[str]:
    with Archive.read(first) as one, Archive.read(second) as other:
        return one.compare(other)


def killed_until_done(path: Path, archive: Path, kills: int, seconds: float, whole: Path) -> None:
    """Kills the run of a config at random instants and resumes it, `kills` times, then lets it end."""
    instants = random.Random(0)
    killed = 0
    while killed < kills:
        process = subprocess.Popen([*RECEVOLVE, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.wait(instants.uniform(0.2, seconds))
        except subprocess.TimeoutExpired:
            below = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            killed += 1
            assert gone(below), "a killed run left processes behind"
        out, error = process.communicate()
        if process.returncode == 0:
            assert not differences(whole, archive)
            archive.unlink()  # it got to the end: begin again, until it was killed often enough
        else:
            assert process.returncode == -signal.SIGKILL, (out, error)
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    assert not differences(whole, archive)


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_instants_equals_an_uninterrupted_one(
    uninterrupted: Path, tmp_path: Path, kills: int
) -> None:
    archive = tmp_path / "run" / "archive.db"
    killed_until_done(config_file(tmp_path), archive, kills, 4.0, uninterrupted)


@pytest.mark.slow
def test_a_killed_search_for_optimizers_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(OPTIMIZER.format(run_dir=tmp_path / name / "run"))
    done = command("run", tmp_path / "whole" / "config.toml")
    assert done.returncode == 0, done.stderr
    archives = [tmp_path / name / "run" / "archive.db" for name in ("whole", "killed")]
    killed_until_done(tmp_path / "killed" / "config.toml", archives[1], 8, 20.0, archives[0])
    assert command("replay", *TASKS, archives[1]).returncode == 0


def test_one_worker_and_two_find_the_same(uninterrupted: Path, tmp_path: Path) -> None:
    done = command("run", config_file(tmp_path, executor={"workers": 1}))
    assert done.returncode == 0, done.stderr
    assert not differences(uninterrupted, tmp_path / "run" / "archive.db")


def test_replay_rebuilds_the_search_and_sees_a_changed_row(uninterrupted: Path, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    done = command("replay", *TASKS, uninterrupted)
    assert done.returncode == 0, done.stdout + done.stderr
    forged = tmp_path / "archive.db"
    shutil.copy(uninterrupted, forged)
    with sqlite3.connect(forged) as connection:
        connection.execute(
            "UPDATE evaluations SET score = score + 1 WHERE generation = 2 AND slot = 0 AND score < 0"
        )
        changed = connection.total_changes
    assert changed
    done = command("replay", *TASKS, forged)
    assert done.returncode == 5
    assert "evaluations" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_its_code_and_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    path = config_file(tmp_path, budget={"generations": 10_000, "seconds": 600})
    process = subprocess.Popen(
        [*RECEVOLVE, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("generation 2:"):
            break
    below = descendants(process.pid)
    assert below
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "continues" in error
    assert gone(below)
    with Archive.read(tmp_path / "run" / "archive.db") as archive:
        assert archive.sessions()[-1]["exit_reason"] == "interrupted"
        assert archive.shares().evaluations
