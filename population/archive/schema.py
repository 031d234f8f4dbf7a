"""The schema, as numbered steps. A released step is never edited: the next one changes what it made."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from .connection import ArchiveError, NewerSchema, NotAnArchive, transaction

APPLICATION_ID = 0x52457631  # "REv1" in the file's header marks our archives

Clock = Callable[[], float]  # seconds since 1970, as time.time


def m001_initial(db: Database) -> None:
    """Everything a run remembers. JSON is text; `timings` and `created` are never compared."""
    _create(db, "migrations", "number", "number int, name text, created text")
    _create(db, "run", "id", "id int, config text, seed int, version text, created text")
    _create(db, "sessions", "id", "id int, created text, seconds float, exit_reason text?")
    _create(db, "programs", "id", "id text, kind text, source text, syntax_hash text")
    _create(
        db,
        "births",
        "island, generation, slot",
        "island int, generation int, slot int, program text, parents text, made_by text, explanation text, "
        "syntax_hash text, behaviour text?, duplicate_of text?, cell text, size int, stage text, "
        "status text, score float?, spread float?, count int?, reason text, metrics text, facts text",
    )
    births = db.table("births")
    births.create_index(["island", "behaviour", "generation", "slot"])
    births.create_index(["island", "syntax_hash", "generation", "slot"])
    births.create_index(["program", "generation", "island", "slot"])
    births.create_index(["generation", "status", "duplicate_of"])
    _create(
        db,
        "generations",
        "island, generation",
        "island int, generation int, population text, statistics text, created text",
    )
    _create(
        db,
        "promotions",
        "generation, slot, split, fold",
        "generation int, slot int, program text, split text, fold int, status text, score float?, "
        "verdict text, timings text, created text",
    )
    db.table("promotions").create_index(["split", "program", "fold"])
    _create(db, "conclusions", "name", "name text, value text, timings text, created text")
    _create(db, "ledger", "key", "key text, call text, value text, timings text, created text")


def m002_proposers(db: Database) -> None:
    """Who proposed each candidate, what that cost, and what models were asked.

    `reservations` holds what calls in flight may cost at the most: a row that outlives its session belongs
    to a call that was killed.
    """
    births = db.table("births")
    for name in ("arm", "quota", "outcome", "stand_in"):
        births.add_column(name, str, not_null_default="")
    births.add_column("spend", str, not_null_default="{}")
    births.add_column("worth", float, not_null_default=0.0)
    db.execute("CREATE INDEX ledger_models ON ledger (created) WHERE json_extract(call, '$.stage') = 'model'")
    _create(db, "reservations", "id", "id int, model text, dollars float, tokens int, created text")


def m003_experiments(db: Database) -> None:
    """The lives of north-star experiments: what was read, looked at and decided, by whom and why."""
    _create(
        db,
        "experiments",
        "id",
        "id text, program text, backend text, generation int, number int, test int?, alpha float?, "
        "created text",
    )
    _create(
        db,
        "transitions",
        "id",
        "id int, experiment text, state text, outcome text, reason text, generation int?, ingest int?, "
        "created text",
    )
    _create(
        db,
        "readings",
        "experiment, day, metric, arm, revision",
        "experiment text, day text, metric text, arm text, revision int, count int, mean float, "
        "variance float, ingest int?, created text",
    )
    _create(
        db,
        "looks",
        "id",
        "id int, experiment text, number int, metric text, estimate float, low float?, high float?, "
        "error float?, count int, p float?, decision text, generation int?, ingest int?, created text",
    )
    _create(
        db,
        "ingests",
        "id",
        "id int, digest text, key text, source text, accepted int, duplicate int, corrected int, "
        "outdated int, rejected text, created text",
    )
    _create(
        db,
        "meetings",
        "generation",
        "generation int, ingests int, transitions int, looks int, created text",
    )
    db.table("experiments").create_index(["program"], unique=True)
    db.table("transitions").create_index(["experiment", "id"])
    db.table("looks").create_index(["experiment", "number", "metric"], unique=True)
    db.table("ingests").create_index(["digest"])


def m004_measurements(db: Database) -> None:
    """What devices said later of programs that the search could only estimate. Never part of a search.

    A program may be one that no island bore, so `program` names it without a reference.
    """
    _create(
        db,
        "measurements",
        "id",
        "id int, program text, entry text, device text, verdict text, digest text, baseline text, "
        "reason text, versions text, facts text, created text, seconds float?, least float?, ratio float?, "
        "low float?, high float?",
        references=False,
    )
    db.table("measurements").create_index(["digest", "entry"], unique=True)


def m005_evaluations(db: Database) -> None:
    """Tables and columns go by the field's words; what an ablation left of a program gets a table of its own.

    A row of `ablations` has every column of `evaluations`, and kind and source besides, because no island
    proposed the program and `programs` need not hold it. `winner` names the program that it was cut from.
    """
    db.execute("ALTER TABLE births RENAME TO evaluations")
    db.execute("ALTER TABLE evaluations RENAME COLUMN arm TO proposer")
    db.execute("ALTER TABLE evaluations RENAME COLUMN worth TO credit")
    db.execute("ALTER TABLE meetings RENAME TO rounds")
    columns = db.table("evaluations").columns
    types = {"winner": str, "kind": str, "source": str, **db.table("evaluations").columns_dict}
    required = ["winner", "kind", "source", *(column.name for column in columns if column.notnull)]
    db.create_table("ablations", types, pk="winner", not_null=required, strict=True)
    db.table("ablations").create_index(["program"])
    for name, text in db.execute("SELECT name, value FROM conclusions").fetchall():
        if name.startswith("knock-out "):
            _move_ablation(db, name, json.loads(text))
        elif name.startswith("meeting "):
            renamed = "round " + name.removeprefix("meeting ")
            db.execute("UPDATE conclusions SET name = ? WHERE name = ?", (renamed, name))
    db.execute("UPDATE conclusions SET name = 'warm start' WHERE name = 'inherited journal'")
    examined = "SELECT key, call FROM ledger WHERE json_extract(call, '$.stage') = 'examine'"
    for key, text in db.execute(examined).fetchall():
        renamed = _text({**json.loads(text), "stage": "properties"})
        digest = sha256(renamed.encode()).hexdigest()
        db.execute("UPDATE ledger SET key = ?, call = ? WHERE key = ?", (digest, renamed, key))
    for island, generation, text in db.execute(
        "SELECT island, generation, statistics FROM generations"
    ).fetchall():
        statistics = json.loads(text)
        for record in statistics.get("mixture", {}).values():
            record["credit"] = record.pop("worth")
        place = _text(statistics), island, generation
        db.execute("UPDATE generations SET statistics = ? WHERE island = ? AND generation = ?", place)
    for name, text in db.execute("SELECT name, value FROM conclusions WHERE value LIKE '%worth%'").fetchall():
        db.execute(
            "UPDATE conclusions SET value = ? WHERE name = ?", (_text(_effects(json.loads(text))), name)
        )
    _translate_config(db, {"knockouts": "ablations", "knockout_on": "ablate_on"})


def _move_ablation(db: Database, name: str, value: dict[str, Any]) -> None:
    """The program in a conclusion becomes a row of `ablations`; the conclusion names it by its id."""
    born = value.pop("births")
    for row in born:
        row |= {"winner": value["program"], "made_by": "ablation"}
        row |= {"proposer": row.pop("arm"), "credit": row.pop("worth")}
        db.table("ablations").insert(row)
    value["simplified"] = born[0]["program"] if born else None
    if "meeting" in value:
        value["round"] = value.pop("meeting")
    renamed = "ablation " + name.removeprefix("knock-out ")
    db.execute("UPDATE conclusions SET name = ?, value = ? WHERE name = ?", (renamed, _text(value), name))


def _effects(value: Any) -> Any:
    """The JSON value with the figures of every edit in it by their new name."""
    if isinstance(value, list):
        return [_effects(each) for each in value]
    if not isinstance(value, dict):
        return value
    renamed = {"worth": "effect"} if "edit" in value else {}
    return {renamed.get(key, key): _effects(each) for key, each in value.items()}


def _translate_config(db: Database, renamed: Mapping[str, str]) -> None:
    """Renames keys of `north_star` in the run's config, and says that it dealt users into as many folds as a
    promotion measured."""
    for (text,) in db.execute("SELECT config FROM run").fetchall():
        begun = json.loads(text)
        table = begun.get("config", {}).get("north_star", {})
        for old in renamed.keys() & table.keys():
            table[renamed[old]] = table.pop(old)
        if "folds" in table:
            table["final_folds"] = table["folds"]
        db.execute("UPDATE run SET config = ?", (_text(begun),))


def _text(value: Any) -> str:
    """The one text for equal JSON values, as the ledger writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _create(db: Database, table: str, key: str, columns: str, *, references: bool = True) -> None:
    """A STRICT table of columns such as "size int, score float?", where only those with ? may hold NULL."""
    kinds = dict(column.split() for column in columns.split(","))
    required = sorted(name for name, kind in kinds.items() if not kind.endswith("?"))
    foreign = [(name, f"{name}s", "id") for name in ("program", "experiment") if references and name in kinds]
    types = {name: kind.rstrip("?") for name, kind in kinds.items()}
    keys = key.split(", ")
    pk = keys[0] if len(keys) == 1 else keys
    db.create_table(table, types, pk=pk, not_null=required, foreign_keys=foreign, strict=True)


STEPS: tuple[Callable[[Database], None], ...] = (
    m001_initial,
    m002_proposers,
    m003_experiments,
    m004_measurements,
    m005_evaluations,
)


def newest() -> int:
    """The schema version that this code writes."""
    return len(STEPS)


def stamp(clock: Clock) -> str:
    """The clock's time as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(clock(), UTC).isoformat(timespec="milliseconds")


def recognise(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of an archive of ours, 0 for a database with nothing in it.

    NotAnArchive for any other database; NewerSchema for an archive from a later version.
    """
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark != APPLICATION_ID and (mark or version or tables):
        raise NotAnArchive(
            f"expected an archive of recevolve, but {path} is an SQLite database of something else "
            f"(application_id {mark:#x}, {tables} tables). Choose another run_dir."
        )
    if version > len(STEPS):
        raise NewerSchema(
            f"{path} has schema {version}, and this recevolve knows schemas up to {len(STEPS)}: "
            "upgrade recevolve to read it."
        )
    return int(version)


def migrate(connection: sqlite3.Connection, version: int, clock: Clock) -> None:
    """Applies every step after `version`, each in one transaction with its record.

    ArchiveError where a step meets rows that its schema did not allow.
    """
    for number, step in enumerate(STEPS[version:], start=version + 1):
        with transaction(connection):
            try:
                step(Database(connection, execute_plugins=False))
            except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
                raise ArchiveError(
                    f"the archive has schema {number - 1} and is damaged: the step {step.__name__} to schema "
                    f"{number} cannot read a row of it: {type(error).__name__}: {error}"
                ) from error
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(
                "INSERT INTO migrations (number, name, created) VALUES (?, ?, ?)",
                (number, step.__name__, stamp(clock)),
            )
