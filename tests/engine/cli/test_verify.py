"""Damaged archives: `verify` finds each damage, and every command that meets it says so in one message."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ..toy_runs import TASKS, command
from .strangers import STORED, crafted, reconfigured, stored_run

READING = [
    ("status",),
    ("top",),
    ("show", "best"),
    ("lineage", "best"),
    ("alignment",),
    ("online", "status"),
]
LOADING = [("prompt", *TASKS), ("replay", *TASKS)]
pytestmark = pytest.mark.heavy
NEWEST = "WHERE island = 0 AND generation = 5"
PROGRAM = "7b537c68d7f9bfae"
DAMAGES = {
    "a program under another's id": (
        f"UPDATE programs SET source = 'x = 1' WHERE id = '{PROGRAM}'",
        "programs",
        PROGRAM,
    ),
    "a program that is gone": (
        f"DELETE FROM programs WHERE id = '{PROGRAM}'",
        "evaluations",
        "program: there is no",
    ),
    "parents that are no JSON": (
        "UPDATE evaluations SET parents = '[' WHERE slot = 1",
        "evaluations",
        "slot=1",
    ),
    "a parent that is gone": (
        "UPDATE evaluations SET parents = '[\"0123456789abcdef\"]' WHERE slot = 1 AND generation = 2",
        "evaluations",
        "parents: there is no program 0123456789abcdef",
    ),
    "a status of no release": (
        "UPDATE evaluations SET status = 'won' WHERE slot = 2",
        "evaluations",
        "'won'",
    ),
    "a score that is not a number": (
        'UPDATE evaluations SET metrics = \'{"error": ["x", null, 1]}\'',
        "evaluations",
        "metric value",
    ),
    "a scored failure": (
        "UPDATE evaluations SET score = NULL WHERE status = 'scored'",
        "evaluations",
        "score",
    ),
    "a population of nobody": (
        f"UPDATE generations SET population = '[{{}}]' {NEWEST}",
        "generations",
        "island=0 generation=5",
    ),
    "a population that is no list": (
        f"UPDATE generations SET population = '7' {NEWEST}",
        "generations",
        "island=0 generation=5",
    ),
    "a member that never was": (
        f"UPDATE generations SET population = json_set(population, '$[0].program', 'ffff') {NEWEST}",
        "generations",
        "population: there is no program f",
    ),
    "statistics of another sort": (
        f"UPDATE generations SET statistics = '[]' {NEWEST}",
        "generations",
        "island=0 generation=5",
    ),
    "a generation that is gone": ("DELETE FROM generations WHERE generation = 3", "generations", "island=0"),
    "a generation far away": (
        f"UPDATE generations SET generation = 1099511627776 {NEWEST}",
        "generations",
        "1099511627776",
    ),
    "a north star without a verdict": ("UPDATE promotions SET verdict = '{}'", "promotions", "is missing"),
    "a report of nothing": (
        "UPDATE conclusions SET value = '{}' WHERE name = 'report'",
        "conclusions",
        "report",
    ),
    "a report without figures": (
        "UPDATE conclusions SET value = json_set(value, '$.arms[0].metrics.error.mean', 'high') "
        "WHERE name = 'report'",
        "conclusions",
        "arms.0.metrics.error.mean",
    ),
    "a winner that is gone": (
        "UPDATE conclusions SET value = json_set(value, '$.winner.program', 'ffffffffffffffff') "
        "WHERE name = 'report'",
        "conclusions",
        "ffffffffffffffff",
    ),
    "a round that noted nothing": (
        "UPDATE conclusions SET value = '[]' WHERE name = 'round 2'",
        "conclusions",
        "round 2",
    ),
    "an ablation without edits": (
        "UPDATE conclusions SET value = json_remove(value, '$.edits') WHERE name LIKE 'ablation%'",
        "conclusions",
        "edits",
    ),
    "no run": ("DELETE FROM run", "run", "no run"),
    "a config that is no JSON": ("UPDATE run SET config = 'kind'", "run", "1"),
    "terms of nothing": ("UPDATE run SET config = json_remove(config, '$.terms.tier')", "run", "tier"),
    "an experiment without steps": (
        "UPDATE transitions SET experiment = 'gone'",
        "transitions",
        "there is no experiment gone",
    ),
    "a step backwards": (
        "UPDATE transitions SET state = 'launched' WHERE id = 7",
        "transitions",
        "0-7b537c68",
    ),
    "a state of no release": ("UPDATE transitions SET state = 'won' WHERE id = 7", "transitions", "7"),
    "an answer to another call": (
        "UPDATE ledger SET call = replace(call, '\"number\":0', '\"number\":9')",
        "ledger",
        "SHA-256",
    ),
    "an answer that is no JSON": ("UPDATE ledger SET value = 'yes'", "ledger", ""),
    "candidates that are gone": ("DELETE FROM evaluations", "evaluations", "there is none"),
    "a score beside its verdict": (
        "UPDATE promotions SET score = 9e999 WHERE fold = 0",
        "promotions",
        "verdict",
    ),
    "a round that saw the future": ("UPDATE rounds SET looks = 99", "rounds", "more of the outside"),
    "a session without an end": ("UPDATE sessions SET seconds = -9e999", "sessions", "inf"),
    "a config of no release": (
        "UPDATE run SET config = json_set(config, '$.config.population.size', -1)",
        "run",
        "population.size",
    ),
    "a table that is gone": ("DROP TABLE looks", "looks", "missing"),
    "a trigger": (
        "CREATE TRIGGER more AFTER INSERT ON sessions BEGIN DELETE FROM programs; END",
        "sqlite_master",
        "no trigger",
    ),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return stored_run(tmp_path)


@pytest.mark.parametrize(("change", "table", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damage_is_found_and_told_by_table_and_row(change: str, table: str, words: str, run: Path) -> None:
    crafted(run, change)
    found = command("verify", run, "--json")
    assert found.returncode == 5, found.stderr
    damages = json.loads(found.stdout)["damages"]
    assert [one for one in damages if one["table"] == table and words in f"{one['row']} {one['reason']}"], (
        damages
    )
    for line in READING:
        told_in_one_message(run, line)


def told_in_one_message(run: Path, line: tuple[str, ...]) -> None:
    names = 2 if line[0] == "online" else 1
    done = command(*line[:names], run, *line[names:])
    assert done.returncode in (0, 2, 3, 5), done.stderr
    if done.returncode == 3:
        assert re.search(r"table \w+", done.stderr), done.stderr


@pytest.mark.parametrize("damage", list(DAMAGES)[::4])
@pytest.mark.parametrize("line", LOADING, ids=["prompt", "replay"])
def test_a_damage_that_a_search_would_meet_is_told(damage: str, line: tuple[str, ...], run: Path) -> None:
    crafted(run, DAMAGES[damage][0])
    told_in_one_message(run, line)


@pytest.mark.parametrize(
    "name", sorted(path.name.removesuffix(".tar.xz") for path in STORED.glob("*.tar.xz"))
)
def test_nothing_is_wrong_with_what_recevolve_wrote(name: str, tmp_path: Path) -> None:
    done = command("verify", stored_run(tmp_path, name))
    assert done.returncode == 0, done.stdout
    assert "as recevolve writes it" in done.stdout


def test_columns_of_other_types_are_found(run: Path) -> None:
    with closing(sqlite3.connect(run / "archive.db")) as stranger:
        stranger.execute("ALTER TABLE sessions RENAME TO older")
        stranger.execute("CREATE TABLE sessions (id, created, seconds, exit_reason)")
        stranger.execute("INSERT INTO sessions VALUES (1, 2, 'long', 4)")
        stranger.execute("DROP TABLE older")
        stranger.commit()
    assert "table sessions: expected the columns and types" in command("verify", run).stdout
    done = command("status", run)
    assert done.returncode == 3
    assert "table sessions" in done.stderr


def test_text_that_is_no_utf8_is_found(run: Path) -> None:
    crafted(run, "UPDATE evaluations SET reason = CAST(x'ff' AS TEXT) WHERE slot = 1")
    done = command("verify", run)
    assert done.returncode == 5
    assert "table evaluations" in done.stdout


def test_an_archive_of_an_earlier_schema_that_is_damaged_is_told(tmp_path: Path) -> None:
    run = stored_run(tmp_path, "reweighted", migrated=False)
    crafted(run, "UPDATE conclusions SET value = '[]' WHERE name <> 'report'")
    for line in (("status",), ("verify",)):
        done = command(*line, run)
        assert done.returncode == 3, done.stdout
        assert "schema" in done.stderr


def test_an_error_that_is_no_damage_stays_an_error(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recevolve.engine.report.report.top", lambda run, count: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command("top", run)


def test_a_damage_that_a_config_leads_to_is_told(run: Path, tmp_path: Path) -> None:
    reconfigured(run, lambda config: config.pop("kind"))
    file = tmp_path / "own.toml"
    file.write_text(f'kind = "toy"\nrun_dir = "{run}"\ntasks = ["{TASKS[1]}"]\nseeds = ["flat"]\n')
    done = command("run", file)
    assert done.returncode in (2, 3)
    assert "kind" in done.stderr
