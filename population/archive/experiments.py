"""Experiments: the lives of north-star experiments, in the archive's connection. Written in whole steps."""

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

from ..values.experiment import (
    Changes,
    Experiment,
    IllegalTransition,
    Ingest,
    Look,
    Mark,
    Outcome,
    Reading,
    State,
    Transition,
)
from .connection import ArchiveError, transaction
from .ledger import canonical
from .rows import Row, insert, query
from .schema import Clock, stamp

EXPERIMENTS = "SELECT * FROM experiments ORDER BY number"
STEPS = "SELECT * FROM transitions WHERE id <= ? ORDER BY id"
NEWEST = """
    SELECT (SELECT coalesce(max(id), 0) FROM ingests), (SELECT coalesce(max(id), 0) FROM transitions),
           (SELECT coalesce(max(id), 0) FROM looks)
"""
MARK = "SELECT ingests, transitions, looks FROM rounds WHERE generation <= ? ORDER BY generation DESC LIMIT 1"
EVERYTHING = 2**62
ID = re.compile(r"[0-9]+-[0-9a-f]+", re.ASCII)
"""Ids of experiments. They become names of folders, so a path must not pass for one."""
Value = TypeVar("Value", Transition, Reading, Look, Ingest)


class Experiments:
    """What is kept of the experiments in an open archive, and the one way to change it.

    Every answer is a value. What a promotion round saw of the outside world is marked with it, so that
    the past can be asked for as it was known then.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def all(self, transitions: int = EVERYTHING) -> tuple[Experiment, ...]:
        """Every experiment, in order of number, in the state after the first `transitions`."""
        steps: dict[str, list[Transition]] = {}
        for row in self._query(STEPS, (transitions,)):
            steps.setdefault(row["experiment"], []).append(transition_of(row))
        found = []
        for row in self._query(EXPERIMENTS):
            born = experiment_of(row)
            if born.id in steps:
                found.append(_lived(born, steps[born.id]))
        return tuple(found)

    def transitions(self) -> tuple[Transition, ...]:
        """Every step of every experiment, in the order in which they were made."""
        return tuple(map(transition_of, self._query(STEPS, (EVERYTHING,))))

    def readings(self, ingests: int = EVERYTHING) -> tuple[Reading, ...]:
        """The newest revision at each place, in order of place; of the first `ingests`, and of folds."""
        rows = self._query(
            "SELECT experiment, day, metric, arm, count, mean, variance, max(revision) AS revision, ingest "
            "FROM readings WHERE ingest IS NULL OR ingest <= ? "
            "GROUP BY experiment, day, metric, arm ORDER BY experiment, day, metric, arm",
            (ingests,),
        )
        return tuple(map(reading_of, rows))

    def history(self, names: Iterable[str]) -> dict[str, tuple[Reading, ...]]:
        """Every revision of every reading of each experiment named."""
        sql = "SELECT * FROM readings WHERE experiment = ? ORDER BY day, metric, arm, revision"
        return {name: tuple(map(reading_of, self._query(sql, (name,)))) for name in names}

    def looks(self, looks: int = EVERYTHING) -> tuple[Look, ...]:
        """The first `looks` looks, in the order in which they were made."""
        return tuple(map(look_of, self._query("SELECT * FROM looks WHERE id <= ? ORDER BY id", (looks,))))

    def ingests(self) -> tuple[Ingest, ...]:
        """Every file and request that brought readings, oldest first."""
        return tuple(map(ingest_of, self._query("SELECT * FROM ingests ORDER BY id")))

    def mark(self, generation: int) -> Mark | None:
        """How far the last round up to that generation saw, itself included; None where there was none."""
        row = self._connection.execute(MARK, (generation,)).fetchone()
        return Mark(*row) if row else None

    def held(self, generation: int) -> bool:
        """Whether the round at that generation was held."""
        sql = "SELECT 1 FROM rounds WHERE generation = ?"
        return self._connection.execute(sql, (generation,)).fetchone() is not None

    def now(self) -> Mark:
        """The newest of everything."""
        return Mark(*self._connection.execute(NEWEST).fetchone())

    def write(self, changes: Changes) -> int:
        """Commits the changes in one transaction; the number of its ingest, 0 where it has none.

        IllegalTransition for a step that its experiment cannot take: then nothing was written.
        """
        with transaction(self._connection):
            return self._write(changes)

    def mark_round(self, generation: int, changes: Changes) -> None:
        """Writes a promotion round's changes and how far it saw the outside world; see `commit_round`.

        Opens no transaction of its own.
        """
        self._write(changes)
        self._insert("rounds", [{"generation": generation, **asdict(self.now())}])

    def copy(self, source: "Experiments", until: Mark) -> None:
        """Takes over what the outside world did in `source` since our newest, up to a mark."""
        after = self.now()
        with transaction(self._connection):
            for table, first, last, outside in (
                ("ingests", after.ingests, until.ingests, "1"),
                ("transitions", after.transitions, until.transitions, "generation IS NULL"),
                ("looks", after.looks, until.looks, "generation IS NULL"),
            ):
                sql = f"SELECT * FROM {table} WHERE id > ? AND id <= ? AND {outside} ORDER BY id"
                insert(self._connection, table, source._query(sql, (first, last)))
            sql = "SELECT * FROM readings WHERE ingest > ? AND ingest <= ?"
            insert(self._connection, "readings", source._query(sql, (after.ingests, until.ingests)))
            live = (
                "SELECT test, alpha, experiments.id FROM experiments JOIN transitions "
                "ON transitions.experiment = experiments.id AND state = 'live' "
                "WHERE transitions.generation IS NULL AND transitions.id > ? AND transitions.id <= ?"
            )
            for row in source._query(live, (after.transitions, until.transitions)):
                self._level(row["id"], row["test"], row["alpha"])

    def _write(self, changes: Changes) -> int:
        self._insert("experiments", map(_experiment_row, changes.experiments))
        known = {one.id: one for one in (*changes.experiments, *self.all())}
        number = self._write_ingest(changes.ingest) if changes.ingest else 0
        born = {one.id for one in changes.experiments}
        for step in changes.transitions:
            if step.state is State.PROPOSED and step.experiment in born:
                born.remove(step.experiment)
            else:
                known[step.experiment] = known[step.experiment].after(step)
        brought = {"ingest": number or None}
        self._insert("transitions", ({**_row(one), **brought} for one in changes.transitions))
        for name, (test, alpha) in changes.levels.items():
            self._level(name, test, alpha)
        self._insert("readings", ({**_row(one), **brought} for one in changes.readings))
        self._insert("looks", ({**_row(one), **brought} for one in changes.looks))
        return number

    def _write_ingest(self, ingest: Ingest) -> int:
        row = _row(ingest)
        del row["id"]  # the next number
        self._insert("ingests", [{**row, "rejected": canonical([dict(one) for one in ingest.rejected])}])
        return self.now().ingests

    def _level(self, name: str, test: int, alpha: float) -> None:
        sql = "UPDATE experiments SET test = ?, alpha = ? WHERE id = ?"
        self._connection.execute(sql, (test, alpha, name))

    def _insert(self, table: str, rows: Iterable[Row]) -> None:
        insert(self._connection, table, [{**row, "created": self._now()} for row in rows])

    def _now(self) -> str:
        return stamp(self._clock)

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return query(self._connection, sql, values)


def effects(looks: Iterable[Look], metric: str) -> dict[str, Look]:
    """The newest look of each experiment at that metric."""
    return {one.experiment: one for one in looks if one.metric == metric}


def _require_id(name: str) -> None:
    """ArchiveError where this cannot be the id of an experiment."""
    if not ID.fullmatch(name):
        raise ArchiveError(
            f"table experiments: expected an id such as 3-0a1b2c3d, got {name!r}; "
            "this archive was not written by recevolve: do not use it"
        )


def _lived(born: Experiment, steps: Sequence[Transition]) -> Experiment:
    """The experiment after its steps, the first of which proposed it."""
    lived = replace(born, reason=steps[0].reason)
    try:
        for step in steps[1:]:
            lived = lived.after(step)
    except IllegalTransition as error:
        raise ArchiveError(f"table transitions, experiment {born.id}: {error}") from error
    return lived


def _row(one: Transition | Reading | Look | Ingest) -> Row:
    """The value by column: its fields are the columns."""
    return {name: getattr(one, name) for name in one.__slots__}


def _value(kind: type[Value], row: Row) -> Value:
    """What `_row` made a row of."""
    return kind(**{name: row[name] for name in kind.__slots__})


def _experiment_row(one: Experiment) -> Row:
    """The experiment by column of `experiments`; how far it is follows from its steps."""
    names = ("id", "backend", "generation", "number", "test", "alpha")
    return {"program": one.program_id, **{name: getattr(one, name) for name in names}}


def experiment_of(row: Row) -> Experiment:
    """The experiment of a row of `experiments`, as it was proposed. ArchiveError where its id is none."""
    _require_id(row["id"])
    plain = {name: value for name, value in row.items() if name != "program"}
    return Experiment(program_id=row["program"], **plain)


def reading_of(row: Row) -> Reading:
    """The reading of a row of `readings`."""
    return _value(Reading, row)


def look_of(row: Row) -> Look:
    """The look of a row of `looks`."""
    return _value(Look, row)


def ingest_of(row: Row) -> Ingest:
    """The ingest of a row of `ingests`."""
    return _value(Ingest, row | {"rejected": tuple(json.loads(row["rejected"]))})


def transition_of(row: Row) -> Transition:
    """The step of a row of `transitions`."""
    return _value(Transition, {**row, "state": State(row["state"]), "outcome": Outcome(row["outcome"])})
