"""Verify: the rows of an archive that no release of ours could have written, by table and row.

Rows are read as everybody reads them, and what comes out is held against the types of the values. What the
run's config and conclusions hold is the engine's to know.
"""

import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..values.evaluation import Evaluation, Promotion, Stage
from ..values.experiment import Experiment, Ingest, Look, Reading, Transition
from ..values.measurement import Measurement
from ..values.member import Member
from ..values.origin import Spend
from ..values.program import Program
from ..values.verdict import Verdict
from .connection import ArchiveError
from .experiments import Experiments, experiment_of, ingest_of, look_of, reading_of, transition_of
from .ledger import together
from .rows import EVALUATION, Row, evaluation_of, measurement_of, member_of, promotion_of, query
from .schema import migrate

UNREADABLE = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, AssertionError,
)  # fmt: skip
"""What reading raises of a row that holds something else than we write."""
KNOWN = "SELECT id FROM programs"
JUDGED = "SELECT program FROM evaluations UNION SELECT program FROM ablations"
NAMED = (
    ("evaluations", "parents", "SELECT evaluations.rowid, value FROM evaluations, json_each(parents)"),
    ("evaluations", "duplicate_of", "SELECT rowid, duplicate_of FROM evaluations"),
    ("evaluations", "program", "SELECT rowid, program FROM evaluations"),
    ("promotions", "program", "SELECT rowid, program FROM promotions"),
    ("experiments", "program", "SELECT rowid, program FROM experiments"),
    (
        "generations",
        "population",
        "SELECT generations.rowid, value ->> 'program' FROM generations, json_each(population)",
    ),
    ("ablations", "winner", "SELECT rowid, winner FROM ablations"),
)
"""Where programs are named: table, column, and SQL of row numbers and ids."""
OF_EXPERIMENTS = ("transitions", "readings", "looks")
SEEDLESS = """
    SELECT island FROM generations WHERE generation = 0
    AND island NOT IN (SELECT island FROM evaluations WHERE generation = 0)
"""
BEYOND = """
    SELECT generation FROM rounds WHERE ingests > (SELECT coalesce(max(id), 0) FROM ingests)
    OR transitions > (SELECT coalesce(max(id), 0) FROM transitions)
    OR looks > (SELECT coalesce(max(id), 0) FROM looks)
"""
GAPS = """
    SELECT island, count(*), max(generation) FROM generations GROUP BY island
    HAVING count(*) <> max(generation) + 1 OR min(generation) <> 0
"""
ADAPTERS: Mapping[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind)
    for kind in (
        Program, Evaluation, Promotion, Member, Measurement, Experiment, Transition, Reading, Look, Ingest,
        Spend,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """What is wrong with a row. `row` names it by its key; "" where the table itself is wrong."""

    table: str
    row: str
    reason: str

    def __str__(self) -> str:
        place = f"table {self.table}, row {self.row}" if self.row else f"table {self.table}"
        return f"{place}: {self.reason}"


def damages(connection: sqlite3.Connection) -> Iterator[Damage]:
    """Everything that is wrong with the tables, in an order that names causes before what follows from them.

    The connection may be one for reading; it is of no other use afterwards.
    """
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        found = [*_of_file(connection), *_of_tables(connection)]
        yield from found
        if not found:
            for table in READERS:
                yield from _of_rows(connection, table)
            yield from _of_references(connection)
    except sqlite3.DatabaseError as error:
        yield Damage("sqlite_master", "", f"the file cannot be read further: {error}")


def told(error: Exception) -> str:
    """What reading a row raised, in words: what was expected and what came."""
    match error:
        case ValidationError():
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            return f"{place}: {first['msg']}, got {str(first['input'])[:80]!r}"
        case KeyError():
            return f"{error} is missing"
        case _:
            return f"{str(error) or type(error).__name__}"


def require_types(value: Any) -> None:
    """Raises ValidationError where a dataclass of ours holds what its annotations do not allow."""
    text = json.dumps(asdict(value), default=dict, allow_nan=False)
    ADAPTERS[type(value)].validate_json(text, strict=True)


def _of_file(connection: sqlite3.Connection) -> Iterator[Damage]:
    for (line,) in connection.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield Damage("sqlite_master", "", str(line))
    for kind, name in connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    ):
        yield Damage("sqlite_master", str(name), f"an archive of ours has no {kind}")


def _of_tables(connection: sqlite3.Connection) -> Iterator[Damage]:
    """Tables that differ from those of an empty archive."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty, 0, time.time)
        expected = _columns(empty)
    here = _columns(connection)
    for table, columns in expected.items():
        if table not in here:
            yield Damage(table, "", "it is missing")
        elif here[table] != columns:
            wrong = sorted({name for name, _ in here[table].items() ^ columns.items()})
            yield Damage(
                table, "", f"expected the columns and types of our schema; these differ: {', '.join(wrong)}"
            )


def _columns(connection: sqlite3.Connection) -> dict[str, dict[str, tuple[Any, ...]]]:
    """(type, whether it is required, place in the key) of each column by table; STRICT counts as a column."""
    strict = {row[1]: row[5] for row in connection.execute("PRAGMA table_list") if row[2] == "table"}
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    for table, kept in strict.items():
        rows = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        found[table] = {"STRICT": (kept,), **{row[1]: (row[2], row[3], row[5]) for row in rows}}
    return found


def _of_rows(connection: sqlite3.Connection, table: str) -> Iterator[Damage]:
    sql, read = READERS[table]
    keys = _keys(connection, table)
    for row in query(connection, sql):
        try:
            value = read(row)
            if is_dataclass(value):
                require_types(value)
        except UNREADABLE as error:
            yield Damage(table, _place(row, keys), told(error))


def _of_references(connection: sqlite3.Connection) -> Iterator[Damage]:
    everyone, judged = ({name for (name,) in connection.execute(sql)} for sql in (KNOWN, JUDGED))
    for table, column, sql in NAMED:
        known = everyone if column == "program" else judged
        for number, name in connection.execute(sql):
            if name is not None and name not in known:
                yield Damage(
                    table, _placed(connection, table, number), f"{column}: there is no program {name}"
                )
    ids = {name for (name,) in connection.execute("SELECT id FROM experiments")}
    for table in OF_EXPERIMENTS:
        for number, name in connection.execute(f"SELECT rowid, experiment FROM {table}"):
            if name not in ids:
                yield Damage(table, _placed(connection, table, number), f"there is no experiment {name}")
    for (island,) in connection.execute(SEEDLESS):
        yield Damage(
            "evaluations", f"island={island} generation=0", "there is none: an island starts from some"
        )
    for (generation,) in connection.execute(BEYOND):
        yield Damage("rounds", str(generation), "it saw more of the outside world than there is")
    for island, count, last in connection.execute(GAPS):
        yield Damage("generations", f"island={island}", f"{count} generations, the last of which is {last}")
    try:
        Experiments(connection).all()
    except (ArchiveError, *UNREADABLE) as error:
        yield Damage("transitions", "", told(error))


def _placed(connection: sqlite3.Connection, table: str, number: int) -> str:
    (row,) = query(connection, f"SELECT * FROM {table} WHERE rowid = ?", (number,))
    return _place(row, _keys(connection, table))


def _keys(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]


def _place(row: Row, keys: list[str]) -> str:
    return str(row[keys[0]]) if len(keys) == 1 else " ".join(f"{key}={row[key]}" for key in keys)


def _program(row: Row) -> Program:
    return _named(Program(row["kind"], row["source"]), row["id"])


def _named(program: Program, name: str) -> Program:
    if program.id != name:
        raise ValueError(f"kind and source have the id {program.id}, the row says {name}")
    return program


def _promotion(row: Row) -> Promotion:
    found = promotion_of(row)
    score = found.verdict.score.value if found.verdict.score else None
    if (row["score"], row["status"]) != (score, found.verdict.status):
        raise ValueError("score and status must be those of the verdict")
    return found


def _session(row: Row) -> None:
    if not math.isfinite(row["seconds"]):
        raise ValueError(f"seconds must be a number, got {row['seconds']}")


def _evaluation(row: Row) -> Evaluation:
    found = evaluation_of(row)
    _named(found.program, row["program"])
    return found


def _generation(row: Row) -> None:
    for place in json.loads(row["population"]):
        require_types(member_of(place, ""))
    if not isinstance(json.loads(row["statistics"]), dict):
        raise ValueError("statistics must be an object of JSON")


def _call(row: Row) -> None:
    if sha256(row["call"].encode()).hexdigest() != row["key"]:
        raise ValueError("key must be the SHA-256 of call")
    call, answer = json.loads(row["call"]), together(row["value"], row["timings"])
    if call["stage"] in set(Stage):
        Verdict.from_json({"timings": {}, **answer})
    elif call["stage"] == "model":
        str(answer["outcome"])
        require_types(Spend(**answer.get("spend", {})))


def _conclusion(row: Row) -> None:
    if not isinstance(together(row["value"], row["timings"]), dict):
        raise ValueError("value must be an object of JSON")


def _run(row: Row) -> None:
    begun = json.loads(row["config"])
    if row["id"] != 1 or not isinstance(begun["config"], dict) or not isinstance(begun["terms"], dict):
        raise ValueError("expected one run, whose config holds `config` and `terms`")


READERS: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "run": ("SELECT * FROM run", _run),
    "sessions": ("SELECT * FROM sessions", _session),
    "programs": ("SELECT * FROM programs", _program),
    "evaluations": (EVALUATION, _evaluation),
    "ablations": ("SELECT * FROM ablations", _evaluation),
    "generations": ("SELECT * FROM generations", _generation),
    "promotions": ("SELECT * FROM promotions", _promotion),
    "measurements": ("SELECT * FROM measurements", measurement_of),
    "experiments": ("SELECT * FROM experiments", experiment_of),
    "transitions": ("SELECT * FROM transitions", transition_of),
    "readings": ("SELECT * FROM readings", reading_of),
    "looks": ("SELECT * FROM looks", look_of),
    "ingests": ("SELECT * FROM ingests", ingest_of),
    "conclusions": ("SELECT * FROM conclusions", _conclusion),
    "ledger": ("SELECT * FROM ledger", _call),
}
"""How the rows of each table are read: SQL, and what makes a value of a row."""
