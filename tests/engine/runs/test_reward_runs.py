"""A whole run of the reward kind on a log of one's own, from a folder that relative paths are taken from."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recevolve.population.archive.archive import Archive

from ..toy_runs import command

SIGNALS = """
[[signal]]
name = "buy"
role = "prediction"
unit = "probability"
low = 0
high = 1
words = "predicted chance of a purchase"
better = 1

[[signal]]
name = "regret"
role = "prediction"
unit = "probability"
low = 0
high = 1
words = "predicted chance that it is sent back"
better = -1

[[signal]]
name = "kept"
role = "outcome"
unit = "flag"
low = 0
high = 1
words = "whether it was bought and kept"
better = 1
"""
CONFIG = """
kind = "reward"
run_dir = "run"
seeds = ["buy"]

[data]
source = "log.csv"
schema = { user = "who", time = "at" }

[reward]
signals = "signals.toml"
proxy = "kept"
north_star = "replay"
satisfaction = []
worlds = 2
rung_rows = [200, 500, 5000]

[population]
islands = 1
size = 6
births = 6

[budget]
generations = 2
seconds = 6000

[north_star]
every = 1
slots = 2
folds = 2

[executor]
workers = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    buy, regret = rng.random((2, 12_000)).round(4)
    kept = (rng.random(12_000) < buy * (1 - regret)).astype(int)
    who = rng.integers(0, 500, 12_000)
    pl.DataFrame({"who": who, "at": np.arange(12_000), "buy": buy, "regret": regret, "kept": kept}).write_csv(
        path / "log.csv"
    )
    (path / "signals.toml").write_text(SIGNALS)
    (path / "shop.toml").write_text(CONFIG)
    done = command("run", "shop.toml", cwd=path)
    assert done.returncode == 0, done.stderr
    return path


def test_it_finds_what_is_kept(folder: Path) -> None:
    with Archive.read(folder / "run" / "archive.db") as archive:
        best = archive.population(0, 2)[0]
    assert "regret" in best.source, best.source


def test_it_replays_and_continues_from_any_folder(folder: Path, tmp_path: Path) -> None:
    replayed = command("replay", folder / "run", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    resumed = command("resume", folder / "run", "--set", "budget.generations=3", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr


def test_the_prompt_speaks_of_its_signals_alone(folder: Path) -> None:
    shown = command("prompt", folder / "run", "--json")
    assert shown.returncode == 0, shown.stderr
    text = json.dumps(json.loads(shown.stdout)["messages"])
    assert "predicted chance that it is sent back" in text
    assert "predicted watch time" not in text


def test_another_signals_file_is_another_log(folder: Path) -> None:
    changed = SIGNALS.replace("high = 1", "high = 2", 1)
    (folder / "signals.toml").write_text(changed)
    try:
        done = command("resume", folder / "run", "--set", "budget.generations=4")
    finally:
        (folder / "signals.toml").write_text(SIGNALS)
    assert done.returncode != 0
    assert "other data or another version" in done.stderr


def test_a_log_that_is_gone_costs_its_part_of_the_audit_and_not_the_patch(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "log.csv").rename(tmp_path / "log.csv")
    try:
        done = command("export", folder / "run", "best", "-o", tmp_path / "patch", "--anyway")
    finally:
        (tmp_path / "log.csv").rename(folder / "log.csv")
    assert done.returncode == 0, done.stderr
    audit = (tmp_path / "patch" / "AUDIT.md").read_text()
    assert "no sample of a log was given" in audit


def test_users_that_nobody_simulates_are_refused_in_a_sentence(folder: Path) -> None:
    done = command(
        "run",
        "shop.toml",
        "--set",
        "run_dir=other",
        "--set",
        "reward.north_star=late_active_days",
        cwd=folder,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert 'set reward.north_star = "replay"' in done.stderr
