"""Damage: an error that a damaged archive brought about, told by table and row instead of by a traceback."""

import sqlite3
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from ...evaluators.language.sanitize import visible
from ..config.run_dir import archive_of
from .exit_codes import ENVIRONMENT


class ToldByRow:
    """Ends the command with one message where an archive that its command line names is damaged."""

    def __enter__(self) -> None:
        """Nothing is needed."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """SystemExit in place of such an error; every other one goes on."""
        if isinstance(error, Exception) and (told := damage_of(sys.argv[1:])):
            print(visible(told), file=sys.stderr)
            raise SystemExit(ENVIRONMENT) from None


def cause_of(error: BaseException) -> str:
    """The damage of an archive behind an error of SQLite, which names no row; "" where there is none."""
    from ...population.archive.archive import ArchiveUnwritable

    of_sqlite = isinstance(error, (sqlite3.DatabaseError, ArchiveUnwritable))
    return damage_of(sys.argv[1:]) if of_sqlite else ""


def damage_of(words: Sequence[str]) -> str:
    """What is wrong first with an archive that a command line names; "" where all are as we write them."""
    # only a command that failed waits for this
    from ...population.archive.archive import ArchiveError
    from ..report.verify import damages

    for path in _archives(words):
        try:
            found = next(damages(path), None)
        except ArchiveError as error:
            return f"error: {error}"
        if found:
            return f"error: {path} is damaged: {found}. `recevolve verify {path.parent}` tells all"
    return ""


def _archives(words: Sequence[str]) -> Iterator[Path]:
    """The archives of the runs, and of the configs of runs, among the words."""
    for word in words:
        path = Path(word)
        if path.suffix == ".toml" and path.is_file():
            path = Path(str(tomllib.loads(path.read_text(encoding="utf-8")).get("run_dir", "")))
        if archive_of(path).is_file():
            yield archive_of(path)
