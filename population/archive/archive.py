"""Archive: everything a run remembers, in one SQLite file with one writer."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from sqlite3 import Connection, connect
from typing import Any, Self

from ..values.evaluation import Evaluation, Promotion
from ..values.experiment import Changes
from ..values.measurement import Measurement
from ..values.member import Member
from .connection import (
    ArchiveBusy,
    ArchiveError,
    ArchiveUnwritable,
    NewerSchema,
    NotAnArchive,
    WriterLock,
    open_reader,
    open_writer,
    transaction,
    unwritable,
)
from .ledger import Ledger, canonical
from .rows import (
    Row,
    ablation_row,
    conclusion_row,
    evaluation_row,
    insert,
    measurement_row,
    population_text,
    program_row,
    promotion_row,
)
from .schema import Clock, migrate, newest, recognise, stamp
from .views import Run, UnknownProgram, Views

__all__ = [
    "Archive",
    "ArchiveBusy",
    "ArchiveError",
    "ArchiveUnwritable",
    "NewerSchema",
    "NotAnArchive",
    "UnknownProgram",
]

KNOWN = "SELECT 1 FROM programs WHERE id = ?"


class Archive(Views):
    """An open archive: a context manager for one thread. What it can be asked is in `Views`.

    Every method that writes is one transaction, on the disk when it returns. ArchiveUnwritable where the disk
    takes nothing (or the archive was opened by `read`), and then nothing of it is there.
    """

    def __init__(
        self, connection: Connection, path: Path, lock: WriterLock | None = None, clock: Clock = time.time
    ) -> None:
        super().__init__(connection, path, clock)
        self._lock = lock

    @classmethod
    def create_or_open(cls, path: str | Path, *, clock: Clock = time.time) -> Self:
        """The archive at `path` with the one right to write it, made where there is none or an empty file.

        NotAnArchive for any other file, NewerSchema, ArchiveBusy while another process or object writes it,
        ArchiveUnwritable.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            begun = path.exists() and path.stat().st_size > 0
        except OSError as error:
            raise unwritable(path, error) from error
        if begun:
            cls._open_reader(path)[0].close()
        with ExitStack() as undo:
            lock = WriterLock(path)
            undo.callback(lock.release)
            connection = undo.enter_context(closing(open_writer(path)))
            migrate(connection, recognise(connection, path), clock)
            undo.pop_all()
        return cls(connection, path, lock, clock)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The archive at `path` for reading: never blocks a run, never waits for one, never changes the file.

        An archive of an earlier schema is read through a copy in memory, which does not follow its writer.
        NotAnArchive where there is none or no run was begun in it; NewerSchema.
        """
        path = Path(path)
        connection, version = cls._open_reader(path)
        if not version:
            connection.close()
            raise NotAnArchive(f"expected an archive at {path}, but no run was begun in it.")
        if version < newest():
            connection = _upgraded(connection, version)
        return cls(connection, path)

    @staticmethod
    def _open_reader(path: Path) -> tuple[Connection, int]:
        connection = open_reader(path)
        try:
            return connection, recognise(connection, path)
        except ArchiveError:
            connection.close()
            raise

    def close(self) -> None:
        """Ends the use of the archive; a writer folds its log into the file and gives up its right."""
        self.connection.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ledger(self, *, replaying: bool = False) -> Ledger:
        """The archive's record of calls, with counters at zero."""
        return Ledger(self.connection, replaying=replaying, clock=self.clock)

    def begin(self, config: Mapping[str, Any], seed: int, version: str) -> Run:
        """The run as it was first begun: what is given here where no generation is, else what is recorded."""
        row = {"id": 1, "config": canonical(config), "seed": seed, "version": version, "created": self._now()}
        with transaction(self.connection):
            self._insert("run", [row], "OR IGNORE" if self.generations() else "OR REPLACE")
        run = self.run()
        assert run is not None  # committed just above
        return run

    def begin_session(self) -> int:
        """The number of a new session of 0 seconds."""
        with transaction(self.connection):
            cursor = self.connection.execute(
                "INSERT INTO sessions (created, seconds) VALUES (?, 0.0)", (self._now(),)
            )
        return cursor.lastrowid or 0

    def note_session(self, session: int, seconds: float, exit_reason: str | None = None) -> None:
        """Notes the seconds used by a session so far, and at its end how it ended."""
        with transaction(self.connection):
            self.connection.execute(
                "UPDATE sessions SET seconds = ?, exit_reason = ? WHERE id = ?",
                (seconds, exit_reason, session),
            )

    def commit_generation(
        self,
        island: int,
        generation: int,
        *,
        population: Iterable[Member],
        evaluations: Iterable[Evaluation],
        statistics: Mapping[str, Any] | None = None,
    ) -> None:
        """Commits the island's next generation, from 0 on: its evaluations and the population after it.

        `population` is kept in the order given; its programs were evaluated before, here or on
        another island, or were simplified by a promotion round.
        `statistics` is JSON that depends on the search alone. ValueError for the wrong generation, an
        evaluation of another place, or a member that was never evaluated.
        """
        expected = -1 if (last := self.last_generation(island)) is None else last
        if generation != expected + 1:
            raise ValueError(f"island {island} commits generation {expected + 1} next, got {generation}")
        members, born = tuple(population), tuple(evaluations)
        for evaluation in born:
            if (evaluation.island, evaluation.generation) != (island, generation):
                raise ValueError(
                    f"expected evaluations of island {island}, generation {generation}, got one of island "
                    f"{evaluation.island}, generation {evaluation.generation}"
                )
        row = {
            "island": island,
            "generation": generation,
            "population": population_text(members),
            "statistics": canonical(statistics or {}),
            "created": self._now(),
        }
        with transaction(self.connection):
            self._insert("programs", [program_row(evaluation) for evaluation in born], "OR IGNORE")
            self._insert("evaluations", [evaluation_row(evaluation) for evaluation in born])
            for member in members:
                if not self.connection.execute(KNOWN, (member.program_id,)).fetchone():
                    raise ValueError(f"member {member.program_id} of island {island} was never evaluated")
            self._insert("generations", [row])

    def commit_round(
        self,
        generation: int,
        promotions: Iterable[Promotion],
        notes: Mapping[str, Mapping[str, Any]] | None = None,
        ablations: Mapping[str, Evaluation] | None = None,
        changes: Changes | None = None,
    ) -> None:
        """Commits a promotion round: north-star verdicts, one of the same place being replaced by the newer.

        `notes` are conclusions by name that are committed with them. `ablations` are what was left of
        winners, by winner: their programs enter `programs`, so that experiments and islands may hold them.
        `changes` are those of experiments, with which is kept how far the round knew the outside world.
        """
        rows = [promotion_row(promotion, self._now()) for promotion in promotions]
        noted = [conclusion_row(name, value, self._now()) for name, value in (notes or {}).items()]
        cut = ablations or {}
        with transaction(self.connection):
            self._insert("programs", [program_row(one) for one in cut.values()], "OR IGNORE")
            self._insert("ablations", [ablation_row(name, one) for name, one in cut.items()], "OR REPLACE")
            self._insert("promotions", rows, "OR REPLACE")
            self._insert("conclusions", noted, "OR REPLACE")
            if changes is not None:
                self.experiments().mark_round(generation, changes)

    def conclude(
        self, name: str, value: Mapping[str, Any], ablations: Mapping[str, Evaluation] | None = None
    ) -> None:
        """Commits a conclusion, replacing the one of that name. Its "timings" are never compared.

        `ablations` are what was left of winners, by winner, and are replaced likewise.
        """
        cut = [ablation_row(winner, one) for winner, one in (ablations or {}).items()]
        with transaction(self.connection):
            self._insert("ablations", cut, "OR REPLACE")
            self._insert("conclusions", [conclusion_row(name, value, self._now())], "OR REPLACE")

    def take_measurements(self, measurements: Iterable[Measurement]) -> int:
        """Commits what a device said; how many of them were new. One that is known is left as it is."""
        rows = [measurement_row(one, self._now()) for one in measurements]
        before = self.connection.total_changes
        with transaction(self.connection):
            self._insert("measurements", rows, "OR IGNORE")
        return self.connection.total_changes - before

    def _insert(self, table: str, rows: Sequence[Row], conflict: str = "") -> None:
        insert(self.connection, table, rows, conflict)

    def _now(self) -> str:
        return stamp(self.clock)


def _upgraded(older: Connection, version: int) -> Connection:
    """A copy in memory with the schema's missing steps; closes the original."""
    copy = connect(":memory:", isolation_level=None)
    with closing(older):
        older.backup(copy)
    migrate(copy, version, time.time)
    return copy
