"""Runs of every kind that an earlier release made: they replay, export and go on as they did then.

Each `NAME.tar.xz` holds `archive.db` of a small finished run as schema 4 wrote it, and `exported/`, what
`recevolve export RUN best` gave of it then. They are evidence and are never made again.
"""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.task import config_to_run, task_for
from recevolve.engine.export.patch import packed, write
from recevolve.engine.loop.events import Progress
from recevolve.engine.runs.replay import replay
from recevolve.evaluators.kinds.patch import title_of
from recevolve.evaluators.sandbox import Limits
from recevolve.population.archive.archive import Archive

from ..engine.toy_runs import TASKS, TOY, command

pytestmark = [pytest.mark.sandbox, pytest.mark.heavy]

STORED = Path(__file__).parent
NAMES = sorted(path.name.removesuffix(".tar.xz") for path in STORED.glob("*.tar.xz"))
KINDS = ("interaction", "kernel", "optimizer", "reward")


def test_there_is_a_run_of_every_kind() -> None:
    assert set(KINDS) <= set(NAMES)


@pytest.fixture(params=NAMES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a stored run; the toy kind is looked for where it is here."""
    with tarfile.open(STORED / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / request.param
    with sqlite3.connect(folder / "archive.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)
        (text,) = connection.execute("SELECT config FROM run").fetchone()
        config: dict[str, Any] = json.loads(text)
        if config["config"]["tasks"]:
            config["config"]["tasks"] = [str(TOY)]
        config["config"]["run_dir"] = str(folder)
        connection.execute("UPDATE run SET config = ?", (json.dumps(config),))
    connection.close()
    return folder


def test_it_replays_equal(run: Path) -> None:
    with Archive.read(run / "archive.db") as archive:
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []


def test_it_can_be_read(run: Path) -> None:
    for name in ("status", "top", "alignment"):
        done = command(name, run, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def _module(names: Iterable[str]) -> str:
    """The name of the module in a patch."""
    (name,) = (one for one in names if one.endswith(".py") and not one.startswith(("test_", "benchmark_")))
    return name.removesuffix(".py")


@pytest.mark.sandbox
def test_it_exports_the_same_files(run: Path, tmp_path: Path) -> None:
    exported = {path.name: path.read_text(encoding="utf-8") for path in (run / "exported").iterdir()}
    _, files = asyncio.run(packed(run, "best", [TOY]))
    before, now = (_module(names) for names in (exported, files))
    if now != before:  # a seed goes by its own name now
        titles = [(title_of(before), title_of(now)), (before, now)]
        for old, new in titles:
            exported = {name.replace(old, new): text.replace(old, new) for name, text in exported.items()}
    added = {f"benchmark_{now}.py"} if run.name == "optimizer" else set()
    assert files.keys() == exported.keys() | added
    if run.name == "optimizer":  # the patch steps in another way since: what it was made from is the same
        (name,) = [name for name in files if name.startswith("test_")]
        archived = [
            text.partition("ARCHIVED = ")[2].partition("SHAPES = ")[0]
            for text in (files[name], exported[name])
        ]
        assert archived[0] == archived[1] != ""
        write(tmp_path / "patch", files)
        tests = [sys.executable, "-m", "pytest", "-q", str(tmp_path / "patch" / name)]
        done = subprocess.run(tests, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout
        return
    for name, text in files.items():
        before = exported[name].replace("worth 0.", "effect 0.")  # a longer word moves the ends of its lines
        assert text == exported[name] or _as_told_then(text).split() == before.split()


NEW = re.compile(
    r"^((- )?(ancestor|worse than production|alarm):.*\n( .*\n)*"
    r"|(Launched|The figures of the claim come from simulated|Worse than production beyond noise).*\n)",
    re.MULTILINE,
)
"""What patches say besides by now: lines of their provenance, and how a reward's README begins."""


def _as_told_then(text: str) -> str:
    # not said of a known method any more
    text = NEW.sub("", text).replace(", exported by RecEvolve.", " that RecEvolve found.")
    return re.sub(r"These edits lead to the formula from .*?\. Each was", "Each edit was", text)


MADE_WITH = {"recevolve": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0", "triton": "3.7.1"}
"""The versions that a fingerprint holds: with others a run is refused on purpose."""


JUDGED_OTHERWISE = ("interaction", "optimizer", "reward")
"""Kinds whose judge changed on purpose since: checkpoints, drawn lengths, matched rates, forms of rows. Their
stored runs replay and export, and may not go on."""


@pytest.mark.skipif(
    any(version(name).partition("+")[0] != number for name, number in MADE_WITH.items()),
    reason="these runs were made with other versions, so they may not go on",
)
def test_it_may_go_on(run: Path) -> None:
    """The judge that the code builds today signs its verdicts as the judge of the run did."""
    with Archive.read(run / "archive.db") as archive:
        config, begun = config_to_run(archive, [TOY]), archive.run()
    assert begun is not None
    limits = Limits(cpu_seconds=config.sandbox.cpu_seconds, memory_mb=config.sandbox.memory_mb)
    judge = task_for(config).judge(config.data.table(), config.settings, limits)
    same = judge.fingerprint == begun.config["terms"]["fingerprint"]
    assert same == (config.kind not in JUDGED_OTHERWISE)


@pytest.mark.parametrize("run", JUDGED_OTHERWISE, indirect=True)
def test_it_says_why_it_may_not_go_on(run: Path) -> None:
    done = command("resume", run, "--set", "budget.generations=100")
    assert done.returncode == 2
    assert "fingerprint" in done.stderr


@pytest.mark.parametrize("run", ["reweighted", "live"], indirect=True)
def test_it_goes_on(run: Path) -> None:
    """Two more generations of a toy run, whose islands remember what happened before; then it replays."""
    with Archive.read(run / "archive.db") as archive:
        before = archive.last_generation(0)
    assert before is not None
    done = command("resume", *TASKS, run, "--set", f"budget.generations={before + 2}")
    assert done.returncode == 0, done.stderr
    with Archive.read(run / "archive.db") as archive:
        assert archive.last_generation(0) == before + 2
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []
