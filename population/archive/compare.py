"""Compare: where two archives tell different searches."""

import sqlite3
from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

EXPERIMENTS = ("experiments", "transitions", "readings", "looks", "ingests", "rounds")
SEARCH = (
    "programs",
    "evaluations",
    "generations",
    "promotions",
    *EXPERIMENTS,
    "ablations",
    "conclusions",
    "ledger",
)
READINGS = frozenset({"created", "timings"})  # of this machine's clock: two equal runs differ in them

Row = tuple[Any, ...]


def of_table(ours: sqlite3.Connection, theirs: sqlite3.Connection, table: str) -> Iterator[str]:
    """A sentence for each row of the table that only one archive has, or that differs in a column."""
    described = ours.execute(f"PRAGMA table_info({table})").fetchall()
    key = [name for _, name, _, _, _, place in sorted(described, key=lambda row: int(row[5])) if place]
    others = [row[1] for row in described if row[1] not in READINGS and not row[5]]
    columns = ", ".join(f'"{name}"' for name in (*key, *others))
    sql = f"SELECT {columns} FROM {table} ORDER BY {', '.join(key)}"
    for left, right in _paired(ours.execute(sql), theirs.execute(sql), len(key)):
        place = " ".join(f"{name}={value}" for name, value in zip(key, left or right or (), strict=False))
        if left is None or right is None:
            yield f"{table} {place}: only {'there' if left is None else 'here'}"
            continue
        for name, here, there in zip(others, left[len(key) :], right[len(key) :], strict=True):
            if here != there:
                yield f"{table} {place}: {name} is {_short(here)} here and {_short(there)} there"


def _paired(
    ours: Iterator[Row], theirs: Iterator[Row], width: int
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of equal key side by side, None where one is missing; both must come in order of their keys."""
    left = ((row[:width], 0, row) for row in ours)
    right = ((row[:width], 1, row) for row in theirs)
    for _, group in groupby(merge(left, right, key=itemgetter(0)), key=itemgetter(0)):
        found = {side: row for _, side, row in group}
        yield found.get(0), found.get(1)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
