"""Experiments: the lives of north-star experiments, in the archive's connection. Written in whole steps."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..values.experiment import Changes, Experiment, Ingest, Look, Mark, Outcome, Reading, State, Transition
from .connection import transaction
from .ledger import canonical
from .rows import Row, insert
from .schema import Clock, stamp

EXPERIMENTS = "SELECT * FROM experiments ORDER BY number"
STEPS = "SELECT * FROM transitions WHERE id <= ? ORDER BY id"
NEWEST = """
    SELECT (SELECT coalesce(max(id), 0) FROM ingests), (SELECT coalesce(max(id), 0) FROM transitions),
           (SELECT coalesce(max(id), 0) FROM looks)
"""
MARK = "SELECT ingests, transitions, looks FROM rounds WHERE generation <= ? ORDER BY generation DESC LIMIT 1"
EVERYTHING = 2**62


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
            steps.setdefault(row["experiment"], []).append(_transition_of(row))
        found = []
        for row in self._query(EXPERIMENTS):
            if row["id"] in steps:
                found.append(_lived(_experiment_of(row), steps[row["id"]]))
        return tuple(found)

    def transitions(self) -> tuple[Transition, ...]:
        """Every step of every experiment, in the order in which they were made."""
        return tuple(map(_transition_of, self._query(STEPS, (EVERYTHING,))))

    def readings(self, ingests: int = EVERYTHING) -> tuple[Reading, ...]:
        """The newest revision at each place, in order of place; of the first `ingests`, and of folds."""
        rows = self._query(
            "SELECT experiment, day, metric, arm, count, mean, variance, max(revision) AS revision, ingest "
            "FROM readings WHERE ingest IS NULL OR ingest <= ? "
            "GROUP BY experiment, day, metric, arm ORDER BY experiment, day, metric, arm",
            (ingests,),
        )
        return tuple(_reading_of(row) for row in rows)

    def history(self, names: Iterable[str]) -> dict[str, tuple[Reading, ...]]:
        """Every revision of every reading of each experiment named."""
        sql = "SELECT * FROM readings WHERE experiment = ? ORDER BY day, metric, arm, revision"
        return {name: tuple(map(_reading_of, self._query(sql, (name,)))) for name in names}

    def looks(self, looks: int = EVERYTHING) -> tuple[Look, ...]:
        """The first `looks` looks, in the order in which they were made."""
        return tuple(map(_look_of, self._query("SELECT * FROM looks WHERE id <= ? ORDER BY id", (looks,))))

    def ingests(self) -> tuple[Ingest, ...]:
        """Every file and request that brought readings, oldest first."""
        return tuple(map(_ingest_of, self._query("SELECT * FROM ingests ORDER BY id")))

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
        row = {"generation": generation, **asdict(self.now()), "created": self._now()}
        insert(self._connection, "rounds", [row])

    def copy(self, source: "Experiments", after: Mark, until: Mark) -> None:
        """Takes over what the outside world did in `source` between two marks, under the same numbers."""
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
        insert(self._connection, "experiments", [self._experiment_row(one) for one in changes.experiments])
        known = {one.id: one for one in (*changes.experiments, *self.all())}
        number = self._write_ingest(changes.ingest) if changes.ingest else 0
        born = {one.id for one in changes.experiments}
        for step in changes.transitions:
            if step.state is State.PROPOSED and step.experiment in born:
                born.remove(step.experiment)
            else:
                known[step.experiment] = known[step.experiment].after(step)
        insert(
            self._connection,
            "transitions",
            [self._transition_row(one, number) for one in changes.transitions],
        )
        for name, (test, alpha) in changes.levels.items():
            self._level(name, test, alpha)
        insert(self._connection, "readings", [self._reading_row(one, number) for one in changes.readings])
        insert(self._connection, "looks", [self._look_row(one, number) for one in changes.looks])
        return number

    def _write_ingest(self, ingest: Ingest) -> int:
        row = {
            "digest": ingest.digest,
            "key": ingest.key,
            "source": ingest.source,
            "accepted": ingest.accepted,
            "duplicate": ingest.duplicate,
            "corrected": ingest.corrected,
            "outdated": ingest.outdated,
            "rejected": canonical([dict(one) for one in ingest.rejected]),
            "created": self._now(),
        }
        insert(self._connection, "ingests", [row])
        return self.now().ingests

    def _level(self, name: str, test: int, alpha: float) -> None:
        sql = "UPDATE experiments SET test = ?, alpha = ? WHERE id = ?"
        self._connection.execute(sql, (test, alpha, name))

    def _experiment_row(self, one: Experiment) -> Row:
        return {
            "id": one.id,
            "program": one.program_id,
            "backend": one.backend,
            "generation": one.generation,
            "number": one.number,
            "test": one.test,
            "alpha": one.alpha,
            "created": self._now(),
        }

    def _transition_row(self, one: Transition, ingest: int) -> Row:
        return {
            "experiment": one.experiment,
            "state": str(one.state),
            "outcome": str(one.outcome),
            "reason": one.reason,
            "generation": one.generation,
            "ingest": ingest or None,
            "created": self._now(),
        }

    def _reading_row(self, one: Reading, ingest: int) -> Row:
        values = {name: getattr(one, name) for name in one.__slots__}
        return {**values, "ingest": ingest or None, "created": self._now()}

    def _look_row(self, one: Look, ingest: int) -> Row:
        values = {name: getattr(one, name) for name in one.__slots__}
        return {**values, "ingest": ingest or None, "created": self._now()}

    def _now(self) -> str:
        return stamp(self._clock)

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        return [dict(row) for row in cursor.execute(sql, values)]


def effects(looks: Iterable[Look], metric: str) -> dict[str, Look]:
    """The newest look of each experiment at that metric."""
    return {one.experiment: one for one in looks if one.metric == metric}


def _lived(born: Experiment, steps: Sequence[Transition]) -> Experiment:
    """The experiment after its steps, the first of which proposed it."""
    lived = replace(born, reason=steps[0].reason)
    for step in steps[1:]:
        lived = lived.after(step)
    return lived


def _experiment_of(row: Mapping[str, Any]) -> Experiment:
    return Experiment(
        row["id"],
        row["program"],
        row["backend"],
        row["generation"],
        row["number"],
        test=row["test"],
        alpha=row["alpha"],
        created=row["created"],
    )


def _transition_of(row: Mapping[str, Any]) -> Transition:
    return Transition(
        row["experiment"],
        State(row["state"]),
        row["reason"],
        Outcome(row["outcome"]),
        row["generation"],
        row["ingest"],
    )


def _reading_of(row: Mapping[str, Any]) -> Reading:
    return Reading(**{name: row[name] for name in Reading.__slots__})


def _look_of(row: Mapping[str, Any]) -> Look:
    return Look(**{name: row[name] for name in Look.__slots__})


def _ingest_of(row: Mapping[str, Any]) -> Ingest:
    values = {name: row[name] for name in Ingest.__slots__}
    return Ingest(**{**values, "rejected": tuple(json.loads(row["rejected"]))})
