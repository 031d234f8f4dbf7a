"""The commands on archives of strangers: no code, no key and no sandbox but the user's own."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.config.task import config_to_run, require_no_address
from recevolve.population.archive.archive import Archive

from ..toy_runs import TASKS, TOY, command
from .strangers import MEMBER, WINNER, crafted, exchanged, reconfigured, stored_run

READING = [
    ("status",),
    ("top",),
    ("show", "best"),
    ("show", "line"),
    ("diff", "best", "line"),
    ("lineage", "best"),
    ("alignment",),
    ("online", "status"),
    ("online", "rollback", "2-", "--reason", "why not"),
]
LOADING = [
    ("resume",),
    ("prompt",),
    ("export", "best", "-o", "out"),
    ("replay",),
    ("online", "queue", "-o", "out"),
    ("online", "launch", "2-", "--approve"),
    ("kernels", "measure"),
    ("kernels", "ingest", "results.json"),
]


def asked_of(run: Path, line: tuple[str, ...]) -> tuple[str | Path, ...]:
    """The command line with the run in its place."""
    names = 2 if line[0] in ("online", "kernels") else 1
    return *line[:names], run, *line[names:]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return stored_run(tmp_path)


@pytest.mark.parametrize("line", [*READING, *LOADING], ids=" ".join)
def test_no_command_loads_the_code_that_an_archive_names(
    line: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    trap, loaded = tmp_path / "trap", tmp_path / "loaded"
    trap.mkdir()
    (trap / "task.py").write_text(f"from pathlib import Path\n\nPath({str(loaded)!r}).touch()\n")
    reconfigured(run, lambda config: config.update(tasks=[str(trap)]))
    (run / "gpu-queue").mkdir()
    done = command(*asked_of(run, line), cwd=tmp_path)
    assert not loaded.exists()
    if line in LOADING:
        assert done.returncode == 2
        assert str(trap) in done.stderr
        assert "--tasks" in done.stderr
        assert not (tmp_path / "out").exists()
    else:
        assert done.returncode == (2 if "line" in line else 0), done.stderr


def test_what_lacks_its_code_is_not_launched(run: Path) -> None:
    before = _states(run)
    assert command("online", "launch", run, "2-", "--approve").returncode == 2
    assert _states(run) == before


def _states(run: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(run / "archive.db")) as reading:
        return reading.execute("SELECT state FROM transitions ORDER BY id").fetchall()


def test_the_code_that_the_user_names_is_loaded(run: Path) -> None:
    done = command("replay", run, *TASKS)
    assert done.returncode == 0, done.stderr


def test_an_archive_does_not_switch_the_sandbox_off(run: Path) -> None:
    reconfigured(run, lambda config: config["sandbox"].update(unsafe=True))
    with Archive.read(run / "archive.db") as archive:
        assert not config_to_run(archive, [TOY]).sandbox.unsafe
        assert config_to_run(archive, [TOY], unsafe=True).sandbox.unsafe


@pytest.mark.parametrize(
    "model",
    [
        {"name": "openai/gpt", "api_base": "https://collector.example/v1"},
        {"name": "openai/gpt", "extra": {"base_url": "https://collector.example/v1"}},
        {"name": "openai/gpt", "api_base": "http://127.0.0.1:1/v1", "extra": {"proxy": "collector"}},
        {"name": "huggingface/https://collector.example"},
    ],
    ids=["address", "parameter", "parameter of a local one", "name"],
)
def test_keys_are_not_sent_where_an_archive_says(model: dict[str, object], run: Path) -> None:
    reconfigured(run, lambda config: config["propose"].update(models=[model]))
    done = command("resume", run, *TASKS)
    assert done.returncode == 2
    assert "recevolve run CONFIG" in done.stderr
    assert str(model["name"]) in done.stderr


@pytest.mark.parametrize(
    "model",
    ["anthropic/claude", "ollama/qwen", {"name": "openai/x", "api_base": "http://127.0.0.1:1/v1"}],
    ids=["by its provider", "local", "local address"],
)
def test_models_without_an_address_of_their_own_go_on(model: object, run: Path) -> None:
    reconfigured(run, lambda config: config["propose"].update(models=[model]))
    with Archive.read(run / "archive.db") as archive:
        config = config_to_run(archive, [TOY])
    assert [one.addressed for one in config.propose.paid] == [False]
    require_no_address(config)


def test_embeddings_have_no_address_of_a_stranger_either(run: Path) -> None:
    reconfigured(
        run,
        lambda config: config["propose"].update(
            models=["anthropic/claude"],
            embeddings={"name": "openai/x", "api_base": "https://collector.example"},
        ),
    )
    with Archive.read(run / "archive.db") as archive, pytest.raises(ConfigError, match="openai/x"):
        require_no_address(config_to_run(archive, [TOY]))


@pytest.mark.parametrize(
    "line",
    [
        ("export", "best", "-o", "out", "--anyway"),
        ("export", "flat", "-o", "out", "--anyway"),
        ("prompt",),
        ("resume", "--set", "budget.generations=9"),
    ],
    ids=" ".join,
)
def test_a_program_that_breaks_the_rules_does_not_leave_the_archive(
    line: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    which = MEMBER if line[0] in ("prompt", "resume") else WINNER
    program = exchanged(run, which, lambda source: f"{source}\nimport os\n")
    if "flat" in line:  # a seed whose own evaluation failed is found by its name all the same
        crafted(
            run,
            "UPDATE evaluations SET program = (SELECT id FROM programs WHERE source LIKE '%import os%'), "
            "status = 'crashed', reason = 'it fell', score = NULL WHERE made_by = 'seed flat'",
        )
    done = command(*asked_of(run, line), *TASKS, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"table programs, row {program}" in done.stderr
    assert "line" in done.stderr
    assert not (tmp_path / "out").exists()
