"""Connections to an archive file: one writer, any number of readers, and what can go wrong.

ArchiveError
 +- NotAnArchive        the file is missing, empty, or something else
 +- NewerSchema         written by a later version of recevolve
 +- ArchiveBusy         another process is writing it
 +- ArchiveUnwritable   read-only or full disk, missing rights
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

HEADER = b"SQLite format 3\0"
BUSY_SECONDS = 10.0


class ArchiveError(Exception):
    """An archive cannot be used as asked. The message says what was expected, what came and what to do."""


class NotAnArchive(ArchiveError):
    """There is no archive of ours at this path."""


class NewerSchema(ArchiveError):
    """The archive was written by a later version of recevolve."""


class ArchiveBusy(ArchiveError):
    """Another process is writing the archive."""


class ArchiveUnwritable(ArchiveError):
    """The disk took nothing; what was committed before stays readable."""


class WriterLock:
    """The right to write one archive, held until `release` or the death of the process.

    An advisory `flock` on the file next to the archive, whose text is the owner's process id. The system
    drops the lock with its owner, so a file left behind means nothing.
    """

    def __init__(self, archive: Path) -> None:
        path = archive.with_name(archive.name + ".lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise unwritable(archive, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise ArchiveBusy(
                f"{archive} is being written by process {owner}: wait for it to end or stop it. "
                "Reading (status, top, show) works meanwhile."
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise unwritable(archive, error) from error

    def release(self) -> None:
        os.close(self._descriptor)


def unwritable(archive: object, error: Exception) -> ArchiveUnwritable:
    """The error to raise when the system refused a write."""
    return ArchiveUnwritable(
        f"cannot write {archive}: {error}. Everything committed before is kept and readable. Free space, "
        "make the disk and folder writable, or end what else holds the file; then run the same command again."
    )


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write `path`, which is new, empty or an SQLite file; WAL, every commit synced."""
    try:
        with ExitStack() as undo:
            connection = undo.enter_context(closing(_connect(f"{path.absolute().as_uri()}?mode=rwc")))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # makes the files of the log
            undo.pop_all()
        return connection
    except sqlite3.OperationalError as error:
        raise unwritable(path, error) from error


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and blocks nobody. NotAnArchive where there is no SQLite file."""
    try:
        with path.open("rb") as file:
            header = file.read(len(HEADER))
    except OSError as error:
        raise NotAnArchive(f"expected an archive at {path}: {error}. `recevolve run` makes one.") from error
    if header != HEADER:
        what = "is not an SQLite file" if header else "is empty: no run was begun in it"
        raise NotAnArchive(f"expected an archive of recevolve, but {path} {what}.")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _probed(uri)
    except sqlite3.OperationalError as error:
        # Beside an archive on a read-only disk SQLite cannot make the file that readers share with a writer;
        # where the last writer closed in order there is no log, and the file can be read as it is.
        if path.with_name(path.name + "-wal").exists():
            raise ArchiveError(
                f"cannot read {path}: {error}. Its last writer was interrupted and the disk is read-only: "
                f"copy {path.name} and {path.name}-wal to a disk that can be written, and read it there."
            ) from error
        return _probed(f"{uri}&immutable=1")
    except sqlite3.DatabaseError as error:
        raise NotAnArchive(
            f"expected an archive of recevolve, but {path} is damaged or something else and cannot be read: "
            f"{error}. `sqlite3 {path.name} .recover` may save parts of it."
        ) from error


def _probed(uri: str) -> sqlite3.Connection:
    """A connection that has read something. sqlite3.DatabaseError where it cannot."""
    connection = _connect(uri)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction: all of it is on the disk when the block has ended, or none.

    ArchiveUnwritable where the disk takes nothing, ValueError where a key or a reference forbids the rows.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise unwritable(_path_of(connection), error) from error
    except sqlite3.IntegrityError as error:
        raise ValueError(f"these rows contradict the archive, nothing was written: {error}") from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _path_of(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2]) or "the archive"
