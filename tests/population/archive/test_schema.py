"""Steps are applied once, with their record; every question of the search is answered by an index."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlite_utils import Database

from recevolve.population.archive import ledger, schema, views
from recevolve.population.archive.archive import KNOWN, Archive, ArchiveUnwritable, NotAnArchive
from recevolve.population.archive.connection import open_writer
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.origin import UNKNOWN

ISLANDS, GENERATIONS, BIRTHS = 4, 250, 100


def m002_note(db: Database) -> None:
    db.create_table("notes", {"text": str})


def m002_fails(db: Database) -> None:
    db.create_table("notes", {"text": str})
    raise sqlite3.OperationalError("database or disk is full")


def test_steps_are_recorded_and_applied_once(path: Path) -> None:
    for _ in range(2):
        with Archive.create_or_open(path) as archive:
            rows = archive.connection.execute("SELECT number, name FROM migrations").fetchall()
            assert rows == [(number + 1, step.__name__) for number, step in enumerate(schema.STEPS)]
            (version,) = archive.connection.execute("PRAGMA user_version").fetchone()
            assert version == len(schema.STEPS)


def test_an_older_archive_is_brought_up_and_a_failing_step_leaves_it_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "STEPS", (schema.m001_initial,))
    with Archive.create_or_open(path) as archive:
        archive.begin({}, 1, "0.1.0")
    monkeypatch.setattr(schema, "STEPS", (schema.m001_initial, m002_fails))
    with pytest.raises(ArchiveUnwritable, match="disk is full"):
        Archive.create_or_open(path)
    monkeypatch.setattr(schema, "STEPS", (schema.m001_initial,))
    with Archive.read(path) as archive:
        assert archive.run() is not None
    monkeypatch.setattr(schema, "STEPS", (schema.m001_initial, m002_note))
    with Archive.create_or_open(path) as archive:
        names = [row[0] for row in archive.connection.execute("SELECT name FROM migrations ORDER BY number")]
        assert names == ["m001_initial", "m002_note"]
        assert archive.connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_an_archive_of_the_first_schema_is_read_without_being_touched(path: Path) -> None:
    old = sqlite3.connect(path, isolation_level=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "STEPS", (schema.m001_initial,))
        schema.migrate(old, 0, lambda: 0.0)
    old.execute("INSERT INTO programs VALUES ('p', 'toy', 'source', 'hash')")
    old.execute(
        "INSERT INTO births VALUES (0, 0, 0, 'p', '[]', 'seed', '', 'hash', NULL, NULL, '[]', 1, 'static', "
        "'invalid', NULL, NULL, NULL, 'wrong', '{}', '{}')"
    )
    old.close()
    before = path.read_bytes()
    with Archive.read(path) as archive:
        (birth,) = archive.evaluations(0, 0)
        assert birth.origin == UNKNOWN
        assert birth.verdict.reason == "wrong"
    assert path.read_bytes() == before


def test_every_column_keeps_its_type(archive: Archive, born: Callable[..., Evaluation]) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "a"),))
    with pytest.raises(sqlite3.IntegrityError, match=r"TEXT value in REAL column evaluations\.score"):
        archive.connection.execute("UPDATE evaluations SET score = 'high'")
    with pytest.raises(sqlite3.IntegrityError, match=r"NOT NULL constraint failed: evaluations\.reason"):
        archive.connection.execute("UPDATE evaluations SET reason = NULL")


def test_another_application_with_our_tables_is_not_ours(path: Path) -> None:
    with Archive.create_or_open(path) as archive:
        archive.connection.execute("PRAGMA application_id = 7")
    with pytest.raises(NotAnArchive, match="0x7"):
        Archive.read(path)


def test_our_own_mark_is_in_the_files_header(path: Path) -> None:
    Archive.create_or_open(path).close()
    assert path.read_bytes()[68:72] == b"REv1"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive of 100,000 births of 100,000 programs, with a recorded call for each."""
    with Archive.create_or_open(tmp_path_factory.mktemp("filled") / "archive.db") as archive:
        connection = archive.connection
        columns = [row[1] for row in connection.execute("PRAGMA table_info(evaluations)")]
        sql = f"INSERT INTO evaluations VALUES ({', '.join(':' + name for name in columns)})"
        blank = dict.fromkeys(columns, "") | {"score": 0.0, "spread": None, "count": 1, "size": 1}
        blank |= {"parents": "[]", "cell": "[]", "metrics": "{}", "facts": "{}", "duplicate_of": None}
        blank |= {"spend": "{}", "credit": 0.0}
        connection.execute("BEGIN")
        for number in range(ISLANDS * GENERATIONS * BIRTHS):
            name = f"{number * 2654435761 % 2**32:08x}{number:08x}"
            connection.execute("INSERT INTO programs VALUES (?, 'k', '', ?)", (name, name))
            connection.execute("INSERT INTO ledger VALUES (?, '{}', '{}', '', '')", (name * 4,))
            rest, slot = divmod(number, BIRTHS)
            generation, island = divmod(rest, ISLANDS)
            place = {"island": island, "generation": generation, "slot": slot, "program": name}
            likeness = {"behaviour": name, "syntax_hash": name, "status": "scored"}
            connection.execute(sql, blank | place | likeness)
        for island in range(ISLANDS):
            for generation in range(GENERATIONS):
                row = (island, generation, "[]", "{}", "")
                connection.execute("INSERT INTO generations VALUES (?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
        yield archive


QUESTIONS = {
    "twin by behaviour": (views.DUPLICATE.format(column="behaviour"), (0, "x", 9)),
    "twin by syntax": (views.DUPLICATE.format(column="syntax_hash"), (0, "x", 9)),
    "births of a program": (views.EVALUATIONS_OF, ("x",)),
    "births of a generation": (views.EVALUATIONS, (0, 0)),
    "newest generation": (views.LAST_GENERATION, (0,)),
    "population": (views.POPULATION, (0, 0)),
    "source": (views.SOURCE, ("x",)),
    "prefix": (views.PREFIX, ("x", "x~")),
    "born": (KNOWN, ("x",)),
    "recall": (ledger.RECALL, ("x",)),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_of_the_search_uses_an_index(filled: Archive, name: str) -> None:
    sql, values = QUESTIONS[name]
    plan = [row[3] for row in filled.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert plan, "the plan says something"
    for step in plan:
        assert re.match(r"SEARCH .*USING (COVERING )?INDEX", step), plan


def steps_of(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """How many instructions of SQLite's machine the work takes, in hundreds: a cost without a clock."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    connection.set_progress_handler(tick, 100)
    work()
    connection.set_progress_handler(None, 0)
    return count


@pytest.mark.heavy
def test_a_generation_costs_the_same_after_100_000_births(
    filled: Archive, tmp_path: Path, born: Callable[..., Evaluation]
) -> None:
    with Archive.create_or_open(tmp_path / "small.db") as small:
        for generation in range(3):
            small.commit_generation(0, generation, population=(), evaluations=())
        costs = []
        for archive, generation in ((small, 3), (filled, GENERATIONS)):
            evaluations = [
                born(0, generation, slot, f"new {slot}", behaviour=f"b{slot}") for slot in range(16)
            ]

            def work(archive: Archive = archive, evaluations: list[Evaluation] = evaluations) -> None:
                for birth in evaluations:
                    archive.duplicate(0, "behaviour", birth.behaviour or "", birth.generation)
                    archive.duplicate(0, "syntax_hash", birth.syntax_hash, birth.generation)
                    archive.ledger().record({"program": birth.program.id}, {"v": 1})
                archive.commit_generation(
                    0, evaluations[0].generation, population=(), evaluations=evaluations
                )

            costs.append(steps_of(archive.connection, work))
    assert costs[0] > 0
    assert costs[1] <= 1.2 * costs[0]


def test_a_writer_syncs_every_commit(path: Path) -> None:
    connection = open_writer(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


def test_what_the_fourth_schema_kept_goes_by_its_new_names(path: Path) -> None:
    old = sqlite3.connect(path, isolation_level=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:4])
        schema.migrate(old, 0, lambda: 0.0)
    columns = [row[1] for row in old.execute("PRAGMA table_info(births)")]
    left = dict.fromkeys(columns, "") | {
        "island": 0,
        "generation": 1,
        "slot": 2,
        "program": "short",
        "size": 3,
    }
    left |= {
        "score": 1.5,
        "spread": None,
        "count": 1,
        "behaviour": "b",
        "duplicate_of": None,
        "stage": "proxy 0",
    }
    left |= {
        "status": "scored",
        "parents": '["long"]',
        "cell": "[]",
        "metrics": "{}",
        "facts": "{}",
        "spend": "{}",
    }
    left |= {"made_by": "knock-out", "arm": "", "worth": 0.0, "kind": "toy", "source": "pass"}
    cause = {"program": "long", "edits": [], "births": [left], "meeting": 2}
    call = '{"judge":"f","stage":"examine"}'
    config = {"config": {"north_star": {"knockouts": 3, "knockout_on": "proxy", "folds": 2}}}
    old.execute("INSERT INTO run VALUES (1, ?, 0, '', '')", (json.dumps(config),))
    for name, value in (("knock-out long", cause), ("meeting 2", {"a": 1}), ("inherited journal", {"b": 2})):
        old.execute("INSERT INTO conclusions VALUES (?, ?, '', '')", (name, json.dumps(value)))
    old.execute("INSERT INTO ledger VALUES (?, ?, '{}', '', '')", (sha256(call.encode()).hexdigest(), call))
    old.close()
    with Archive.read(path) as archive:
        found = archive.conclusions()
        assert found.keys() == {"ablation long", "round 2", "warm start"}
        assert (found["ablation long"]["simplified"], found["ablation long"]["round"]) == ("short", 2)
        (kept,) = archive.ablations("short")
        assert (kept.program.made_by, kept.program.parents, kept.slot) == ("ablation", ("long",), 2)
        begun = archive.run()
        assert begun is not None
        assert begun.config["config"]["north_star"] == {
            "ablations": 3,
            "ablate_on": "proxy",
            "folds": 2,
            "final_folds": 2,
        }
        assert archive.ledger().recall({"judge": "f", "stage": "properties"}) == {}
        assert archive.ledger().recall({"judge": "f", "stage": "examine"}) is None
