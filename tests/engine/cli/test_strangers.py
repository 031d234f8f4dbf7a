"""The commands on archives of strangers: no code, no key and no sandbox but the user's own."""

import os
import re
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.config.task import config_to_run, require_no_address
from recevolve.engine.export.patch import write
from recevolve.population.archive.archive import Archive, ArchiveError

from ..toy_runs import TASKS, TOY, command
from .strangers import MEMBER, WINNER, crafted, exchanged, poisoned, reconfigured, stored_run

pytestmark = [pytest.mark.sandbox, pytest.mark.heavy]
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


LAUNCHED = """
    UPDATE conclusions SET value = json_set(
        value, '$.online.launched', json_array('{0}'),
        '$.online.experiments', json_array(json_object('experiment', '{0}', 'program', '7b537c68d7f9bfae'))
    ) WHERE name = 'report'
"""
"""A report that says that an experiment is launched: its patch is then written into the run's folder."""


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside-of-a-run", "..", "a/../../outside", ""])
def test_a_launched_experiment_cannot_name_a_folder_elsewhere(name: str, run: Path) -> None:
    crafted(run, LAUNCHED.format(name))
    done = command("resume", run, *TASKS)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "leads elsewhere" in done.stderr
    assert not (run / "outside").exists()
    assert not Path("/tmp/outside-of-a-run").exists()


def test_an_experiment_cannot_queue_itself_outside_of_the_output(run: Path, tmp_path: Path) -> None:
    changes = ("experiments SET id", "transitions SET experiment", "readings SET experiment")
    crafted(run, *(f"UPDATE {each} = '../outside' WHERE {each.split()[-1]} LIKE '2-%'" for each in changes))
    done = command("online", "queue", run, "-o", tmp_path / "queue", *TASKS)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "table experiments" in done.stderr
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("link", "line"),
    [
        ("export", ("resume",)),
        ("inbox", ("online", "ingest", "readings.csv")),
        ("gpu-queue", ("kernels", "measure")),
    ],
    ids=["export", "inbox", "gpu-queue"],
)
def test_a_folder_of_a_run_that_is_a_link_elsewhere_is_refused(
    link: str, line: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    crafted(run, LAUNCHED.format("0-7b537c68"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run / link).symlink_to(elsewhere)
    (tmp_path / "readings.csv").write_text(
        "experiment,day,arm,metric,count,mean,variance,revision\n0,0,0,0,0,0,0,0\n"
    )
    tasks = () if link == "inbox" else TASKS
    done = command(*asked_of(run, line), *tasks, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "leads elsewhere" in done.stderr
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("link", "line"),
    [
        ("archive.db.lock", ("online", "rollback", "2-", "--reason", "why")),
        ("alignment.svg", ("alignment", "-o", "live/alignment.svg")),
        (".alignment.svg.part", ("alignment", "-o", "live/alignment.svg")),
    ],
    ids=["lock", "picture", "half a picture"],
)
def test_a_file_of_a_run_that_is_a_link_elsewhere_is_not_written_through(
    link: str, line: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (run / link).unlink(missing_ok=True)
    (run / link).symlink_to(victim)
    done = command(*asked_of(run, line), cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert victim.read_text() == "mine"


def test_what_is_no_plain_file_in_an_inbox_stays_there(run: Path, tmp_path: Path) -> None:
    inbox = run / "inbox"
    inbox.mkdir()
    (inbox / "1.csv").mkdir()
    (inbox / "2.csv").symlink_to(tmp_path / "absent")
    os.mkfifo(inbox / "3.csv")
    (inbox / os.fsdecode(b"4-\xff.csv")).write_text("no readings\n1\n")
    done = command("online", "rollback", run, "2-", "--reason", "why")
    assert done.returncode == 0, done.stderr
    left = sorted(os.fsencode(path.name) for path in inbox.iterdir())
    assert left == [b"1.csv", b"2.csv", b"3.csv", b"4-\xff.csv.refused"]


@pytest.mark.parametrize("name", ["../x", "/absent/x", "a/b", "", ".", ".."])
def test_a_kind_cannot_name_a_file_outside_of_a_patch(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="leads elsewhere"):
        write(tmp_path / "patch", {"good.py": "", name: ""})
    assert not list(tmp_path.iterdir())


ROLES = re.compile(r"<[|\uff5c]|\[INST\]|<<SYS|<start_of|\[\||</s>|^Human:|^### Inst", re.MULTILINE)
MARKUP = re.compile(r"<script|\]\(|^.*\]:", re.MULTILINE)


def unseen(text: str) -> list[str]:
    """What a terminal, or a reader of a file, must not be given."""
    return sorted(
        {one for one in text if one not in "\n\t" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")}
    )


@pytest.fixture(params=["live", "models"])
def poison(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    run = stored_run(tmp_path, request.param)
    poisoned(run)
    return run


@pytest.mark.parametrize(
    "line", [*READING, ("replay", *TASKS), ("prompt", *TASKS)], ids=lambda line: " ".join(line[:3])
)
def test_nothing_but_visible_text_reaches_the_terminal(line: tuple[str, ...], poison: Path) -> None:
    done = command(*asked_of(poison, line))
    assert unseen(done.stdout + done.stderr) == []


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_run_that_goes_on_prints_visible_text(run: Path) -> None:
    poisoned(run)
    for json_lines in ((), ("--json",)):
        done = command("resume", run, *TASKS, *json_lines)
        assert done.returncode == 0, done.stderr
        assert unseen(done.stdout + done.stderr) == []
    drawn = command("status", run, "-o", run / "decision.svg")
    assert drawn.returncode == 0, drawn.stderr
    assert unseen((run / "decision.svg").read_text()) == []
    assert "<script" not in (run / "decision.svg").read_text()


def test_no_role_is_spoken_in_a_prompt(poison: Path) -> None:
    done = command("prompt", poison, *TASKS)
    assert done.returncode == 0, done.stderr
    assert "esrever" in done.stdout, "the text itself is shown"
    assert not ROLES.search(done.stdout)


def test_no_tag_and_no_link_is_in_a_patch(poison: Path, tmp_path: Path) -> None:
    done = command("export", poison, "best", "-o", tmp_path / "out", "--anyway", *TASKS)
    assert done.returncode == 0, done.stderr
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "esrever" in readme
    assert not MARKUP.search(readme)
    assert not [path for path in (tmp_path / "out").iterdir() if unseen(path.read_text())]
