"""Archives as a stranger may have crafted them: a stored run of the toy kind, changed by SQL of any sort."""

import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from recevolve.population.archive.archive import Archive
from recevolve.population.values.program import Program

from ..toy_runs import TOY

STORED = Path(__file__).parents[2] / "stored"


def stored_run(folder: Path, name: str = "live") -> Path:
    """The folder of a stored run, taken into the schema of today; its kind is looked for where it is here."""
    with tarfile.open(STORED / f"{name}.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    run = folder / name
    reconfigured(run, lambda config: config.update(tasks=[str(TOY)], run_dir=str(run)))
    Archive.create_or_open(run / "archive.db").close()
    return run


def crafted(run: Path, *statements: str) -> None:
    """Changes the archive of a run as no release of ours would."""
    with closing(sqlite3.connect(run / "archive.db")) as stranger, stranger:
        for statement in statements:
            stranger.execute(statement)


def reconfigured(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the recorded config."""
    with closing(sqlite3.connect(run / "archive.db")) as stranger, stranger:
        begun = json.loads(stranger.execute("SELECT config FROM run").fetchone()[0])
        change(begun["config"])
        stranger.execute("UPDATE run SET config = ?", (json.dumps(begun),))


def exchanged(run: Path, which: str, change: Callable[[str], str]) -> str:
    """Changes the source of a program, as if the run had found it so; the id that it has then.

    `which` is SQL that gives the program's id.
    """
    with closing(sqlite3.connect(run / "archive.db")) as stranger, stranger:
        (old,) = stranger.execute(which).fetchone()
        kind, source = stranger.execute("SELECT kind, source FROM programs WHERE id = ?", (old,)).fetchone()
        new = Program(kind, change(source)).id
        stranger.execute("UPDATE programs SET source = ? WHERE id = ?", (change(source), old))
        tables = stranger.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for _, column, kind, *_ in stranger.execute(f"PRAGMA table_info({table})").fetchall():
                if kind == "TEXT":
                    stranger.execute(f'UPDATE {table} SET "{column}" = replace("{column}", ?, ?)', (old, new))
    return new


WINNER = "SELECT json_extract(value, '$.winner.program') FROM conclusions WHERE name = 'report'"
MEMBER = """
    SELECT json_extract(population, '$[0].program') FROM generations
    WHERE island = 0 ORDER BY generation DESC LIMIT 1
"""
