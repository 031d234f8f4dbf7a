"""History: what was tried on each island up to a generation: the best of it, and how the rest failed.

A tally is a function of its island and generation alone, whatever was committed since. It is advanced from
the nearest earlier one in memory, so that a search pays for each evaluation once.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

from ..values.verdict import Status

COLUMNS = """
    island, generation, slot, program, parents, made_by, explanation, stage, status, score, spread, reason
"""
SINCE = f"""
    SELECT {COLUMNS} FROM evaluations
    WHERE island = ? AND generation > ? AND generation <= ? AND duplicate_of IS NULL AND parents <> '[]'
    ORDER BY generation, slot
"""
SEEN = f"""
    SELECT {COLUMNS} FROM evaluations
    WHERE program = ? AND duplicate_of IS NULL AND (generation <= ? OR (island = ? AND generation <= ?))
    ORDER BY stage DESC, generation, island, slot LIMIT 1
"""
FINAL_SCORE = """
    SELECT stage, score FROM evaluations
    WHERE program = ? AND duplicate_of IS NULL AND score IS NOT NULL ORDER BY stage DESC LIMIT 1
"""
FINAL_ABLATION = "SELECT stage, score FROM ablations WHERE program = ? LIMIT 1"
ANSWERS = """
    SELECT json_extract(call, '$.sample'), value FROM ledger
    WHERE json_extract(call, '$.stage') = 'model' AND substr(json_extract(call, '$.sample'), 1, ?) = ?
    ORDER BY created
"""
NOBODY = -1
MOST_PATTERNS = 200
TALLIES_KEPT = 4

_PLACE = re.compile(r"^line \d+: ")
_QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tried:
    """One evaluation without its source. `parent` is its first parent's id, "" where it has none.

    `stage` names the last judgement it reached; of two stages that score, the later sorts after the earlier.
    """

    island: int
    generation: int
    slot: int
    program_id: str
    parent: str
    made_by: str
    explanation: str
    stage: str
    status: Status
    score: float | None
    spread: float | None
    reason: str

    @property
    def place(self) -> tuple[int, int, int]:
        """(generation, island, slot): the order in which things happened, as far as there is one."""
        return self.generation, self.island, self.slot


@dataclass(frozen=True, slots=True)
class Failure:
    """A way to fail: how often it happened, and the latest that did."""

    stage: str
    status: Status
    pattern: str
    count: int
    latest: Tried


Kind = tuple[str, Status, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was tried: the best that was scored, best first, and the failures by stage, status and pattern."""

    best: tuple[Tried, ...] = ()
    failures: Mapping[Kind, Failure] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, evaluations: Sequence[Tried], keep: int) -> "Tally":
        """The tally after one more generation, with the `keep` best."""
        scored = [one for one in evaluations if one.score is not None]
        failed = [one for one in evaluations if one.score is None and one.status is not Status.INFRASTRUCTURE]
        best = tuple(ranked((*self.best, *scored))[:keep]) if scored else self.best
        return Tally(best, counted(self.failures, failed) if failed else self.failures)


def ranked(tried: Iterable[Tried]) -> list[Tried]:
    """Those that came furthest first; of equals the better score, then the earlier evaluation."""
    by_score = sorted(tried, key=lambda one: (-(one.score or 0.0), *one.place))
    return sorted(by_score, key=lambda one: one.stage, reverse=True)


def counted(failures: Mapping[Kind, Failure], failed: Iterable[Tried]) -> Mapping[Kind, Failure]:
    """The failures with these added; where there are too many kinds, the rarest and oldest are forgotten."""
    found = dict(failures)
    for one in failed:
        kind = one.stage, one.status, pattern(one.reason)
        before = found.get(kind) or Failure(*kind, count=0, latest=one)
        found[kind] = replace(before, count=before.count + 1, latest=one)
    if len(found) > MOST_PATTERNS:
        common = sorted(
            found.items(), key=lambda item: (-item[1].count, [-part for part in item[1].latest.place])
        )
        found = dict(common[:MOST_PATTERNS])
    return found


def pattern(reason: str) -> str:
    """The reason without what changes from program to program: places, names, numbers; 100 characters."""
    first = _PLACE.sub("", reason.strip().partition("\n")[0]).partition("; line ")[0]
    return _NUMBER.sub("N", _QUOTED.sub("…", first))[:100]


class History:
    """The tallies of an archive's islands. Each keeps the `keep` best of what was tried."""

    def __init__(self, connection: sqlite3.Connection, keep: int) -> None:
        self._connection = connection
        self._keep = keep
        self._tallies: dict[int, dict[int, Tally]] = {}
        self._finals: dict[str, tuple[str, float]] = {}

    def tally(self, island: int, until: int) -> Tally:
        """What was tried on the island in its generations up to `until`, all of them committed."""
        known = self._tallies.setdefault(island, {NOBODY: Tally()})
        tally = known.get(until)
        if tally is None:
            start = max(number for number in known if number <= max(until, NOBODY))
            tally = known[start]
            rows = self._query(SINCE, (island, start, until))
            for _, evaluations in groupby(rows, key=lambda one: one.generation):
                tally = tally.after(list(evaluations), self._keep)
            known[until] = tally
            for old in sorted(known)[1:-TALLIES_KEPT]:
                del known[old]
        return tally

    def seen(self, program_id: str, everyone: int, island: int = NOBODY, until: int = NOBODY) -> Tried | None:
        """The evaluation that came furthest: on any island up to `everyone`, or on this one up to `until`."""
        return next(iter(self._query(SEEN, (program_id, everyone, island, until))), None)

    def final(self, program_id: str) -> tuple[str, float] | None:
        """(stage, score) of the furthest that the program ever came, or None.

        Asked of programs that once were members of an island: the same whenever it is asked.
        """
        if program_id not in self._finals:
            row = self._connection.execute(FINAL_SCORE, (program_id,)).fetchone()
            row = row or self._connection.execute(FINAL_ABLATION, (program_id,)).fetchone()
            if row is None:
                return None
            self._finals[program_id] = row
        return self._finals[program_id]

    def answers(self, sample: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """(sample, recorded answer) of each call of a model whose sample begins so, the oldest first."""
        for name, value in self._connection.execute(ANSWERS, (len(sample), sample)):
            yield name, json.loads(value)

    def _query(self, sql: str, values: Sequence[Any]) -> Iterable[Tried]:
        return map(_tried, self._connection.execute(sql, values))


def _tried(row: Sequence[Any]) -> Tried:
    values = dict(zip(Tried.__slots__, row, strict=True))
    parent = next(iter(json.loads(values["parent"])), "")
    return Tried(**{**values, "parent": parent, "status": Status(values["status"])})
