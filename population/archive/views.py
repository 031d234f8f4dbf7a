"""Views: what can be asked of an archive. Reading only; every question of the search itself uses an index."""

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..values.evaluation import Evaluation, Promotion
from ..values.experiment import Outcome, State
from ..values.measurement import TIE, Measurement, timed
from ..values.member import Member
from ..values.program import Program
from ..values.verdict import Metric, Status
from .compare import SEARCH, of_table
from .connection import ArchiveError
from .experiments import Experiments, effects
from .ledger import Answer, together
from .rows import EVALUATION, Row, evaluation_of, measurement_of, member_of, promotion_of, query
from .schema import Clock

DUPLICATE = f"""{EVALUATION}
    WHERE island = ? AND evaluations.{{column}} = ? AND generation < ? AND status <> 'infrastructure'
    ORDER BY generation, slot LIMIT 1
"""
EVALUATIONS_OF = f"{EVALUATION} WHERE program = ? ORDER BY generation, island, slot"
EVALUATIONS = f"{EVALUATION} WHERE island = ? AND generation = ? ORDER BY slot"
LAST_GENERATIONS = "SELECT island, max(generation), count(*) FROM generations GROUP BY island"
LAST_GENERATION = "SELECT max(generation) FROM generations WHERE island = ?"
POPULATION = "SELECT population, statistics FROM generations WHERE island = ? AND generation = ?"
SOURCE = "SELECT source FROM programs WHERE id = ?"
PREFIX = "SELECT id, kind, source FROM programs WHERE id >= ? AND id < ? ORDER BY id LIMIT 11"
ABLATIONS = "SELECT * FROM ablations WHERE program >= ? AND program < ? ORDER BY winner"
ABLATION = "ablation "
"""Conclusions named so, and after a winner, hold what each of its edits was worth."""
LAST = "\U0010ffff"
"""Sorts after every character of a name."""
SHARES = """
    SELECT status, duplicate_of IS NOT NULL AS duplicate, count(*) AS evaluations
    FROM evaluations GROUP BY status, duplicate
"""


class UnknownProgram(ArchiveError):
    """No program's id begins as asked, or more than one does."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for: the config as JSON, the seed, the version that began it and when (ISO 8601)."""

    config: dict[str, Any]
    seed: int
    version: str
    created: str


@dataclass(frozen=True, slots=True)
class Shares:
    """How many candidates were evaluated, by status, and how many of them are duplicates."""

    evaluations: int
    duplicates: int
    statuses: Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class Elite:
    """A program kept for its score or its difference, and what is known of it.

    `north_star` is the mean over the folds of a split, its spread the standard error over folds. `proxy` is
    the score of its place or evaluation, higher is better. `islands` are those whose newest population holds
    it.
    """

    program_id: str
    north_star: Metric | None
    proxy: float | None
    islands: tuple[int, ...]
    live: Metric | None = None
    """The gain over production that a live experiment measured, positive is better."""
    measured: Measurement | None = None
    """What a device said of it last, where the north star could only estimate."""


class Views:
    """The questions. Every answer is a value; of an archive that is being written, as of the call."""

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock = time.time) -> None:
        self.connection = connection
        self.path = path
        self.clock = clock
        self.refused: Callable[[str], str] = lambda source: ""
        """What the kind has against a source, "" for nothing; set by whoever runs what is read here. Programs
        that an evaluation scored, members, and what `program` gives must pass it: else ArchiveError."""

    def run(self) -> Run | None:
        """What the run was asked to do, or None before it began."""
        rows = self._query("SELECT config, seed, version, created FROM run")
        runs = [Run(json.loads(row["config"]), row["seed"], row["version"], row["created"]) for row in rows]
        return runs[0] if runs else None

    def sessions(self) -> list[Row]:
        """Every start of the run by column, oldest first; no `exit_reason` at work or where killed."""
        return self._query("SELECT * FROM sessions ORDER BY id")

    def seconds_used(self) -> float:
        """The seconds of all sessions together, as far as they were noted."""
        return math.fsum(session["seconds"] for session in self.sessions())

    def generations(self) -> dict[int, int]:
        """The newest committed generation of each island that has one. ArchiveError where one is missing."""
        found = {}
        for island, last, count in self.connection.execute(LAST_GENERATIONS):
            if last != count - 1:
                raise ArchiveError(
                    f"{self.path}: table generations, island={island}: expected 0 to {count - 1}, "
                    f"as many as there are, got one numbered {last}"
                )
            found[island] = last
        return found

    def last_generation(self, island: int) -> int | None:
        """The newest committed generation of the island, or None."""
        newest: int | None = self.connection.execute(LAST_GENERATION, (island,)).fetchone()[0]
        return newest

    def population(self, island: int, generation: int) -> tuple[Member, ...]:
        """The members the island held after that generation, as they were committed. LookupError if none."""
        places = json.loads(self._generation(island, generation)[0])
        members = tuple(member_of(place, self.source(place["program"])) for place in places)
        for one in members:
            self._require_sound(one.program_id, one.source)
        return members

    def statistics(self, island: int, generation: int) -> Answer:
        """What was noted with that generation. LookupError where it is not committed."""
        noted: Answer = json.loads(self._generation(island, generation)[1])
        return noted

    def evaluations(self, island: int, generation: int) -> tuple[Evaluation, ...]:
        """That generation's candidates in order of slot."""
        return self._evaluations(EVALUATIONS, (island, generation))

    def duplicate(
        self, island: int, column: Literal["behaviour", "syntax_hash"], value: str, before_generation: int
    ) -> Evaluation | None:
        """The island's first evaluation that equals another in this, in earlier generations, or None.

        An evaluation that infrastructure failed says nothing of its program and has no duplicates.
        """
        sql = DUPLICATE.format(column=column)
        return next(iter(self._evaluations(sql, (island, value, before_generation))), None)

    def program(self, prefix: str) -> Program:
        """The program whose id begins so, as first proposed. UnknownProgram where none or several do."""
        found = self._query(PREFIX, (prefix, prefix + "~"))
        if not found and (left := self.ablations(prefix)):
            return left[0].program
        if not found:
            raise UnknownProgram(f"no program's id begins with {prefix!r}: `recevolve top` lists ids.")
        if len(found) > 1:
            ids = ", ".join(row["id"] for row in found[:10]) + (", …" if len(found) > 10 else "")
            raise UnknownProgram(f"several programs' ids begin with {prefix!r}: {ids}. Give more digits.")
        evaluations = self.evaluations_of(found[0]["id"])
        program = evaluations[0].program if evaluations else Program(found[0]["kind"], found[0]["source"])
        self._require_sound(found[0]["id"], program.source)
        return program

    def source(self, program_id: str) -> str:
        """The program's source text. LookupError where it was never born."""
        row = self.connection.execute(SOURCE, (program_id,)).fetchone()
        if row is None:
            raise LookupError(f"no program {program_id} in this archive")
        return str(row[0])

    def evaluations_of(self, program_id: str) -> tuple[Evaluation, ...]:
        """Every evaluation of the program on any island, earliest first.

        Of a program that no island proposed, a winner without its idle edits, what its ablation left.
        """
        return self._evaluations(EVALUATIONS_OF, (program_id,)) or self.ablations(program_id)

    def ablations(self, prefix: str) -> tuple[Evaluation, ...]:
        """The winners without their idle edits whose ids begin so, as ablations left them."""
        return self._evaluations(ABLATIONS, (prefix, prefix + "~"))

    def lineage(self, program_id: str) -> tuple[Evaluation, ...]:
        """The earliest evaluation of the program, then of its parents, of theirs, and so on to the seeds."""
        found: dict[str, Evaluation] = {}
        waiting = [program_id]
        for ancestor in waiting:
            evaluations = () if ancestor in found else self.evaluations_of(ancestor)
            if evaluations:
                found[ancestor] = evaluations[0]
                waiting.extend(evaluations[0].program.parents)
        return tuple(found.values())

    def promotions(self, generation: int | None = None) -> tuple[Promotion, ...]:
        """North-star verdicts in order of generation, slot, split and fold; of one generation or of all."""
        where, values = ("", ()) if generation is None else ("WHERE generation = ?", (generation,))
        order = "ORDER BY generation, slot, split, fold"
        return tuple(
            promotion_of(row) for row in self._query(f"SELECT * FROM promotions {where} {order}", values)
        )

    def conclusion(self, name: str) -> Answer | None:
        """What was concluded under this name, or None."""
        rows = self._query("SELECT value, timings FROM conclusions WHERE name = ?", (name,))
        return next((together(row["value"], row["timings"]) for row in rows), None)

    def conclusions(self, prefix: str = "") -> dict[str, Answer]:
        """Everything concluded under names that begin so, by name: the data of the final report."""
        sql = "SELECT name, value, timings FROM conclusions WHERE name >= ? AND name < ? ORDER BY name"
        rows = self._query(sql, (prefix, prefix + LAST))
        return {row["name"]: together(row["value"], row["timings"]) for row in rows}

    def shares(self) -> Shares:
        """The run's evaluations by status and the duplicates among them."""
        statuses: Counter[Status] = Counter()
        duplicates = 0
        for row in self._query(SHARES):
            statuses[Status(row["status"])] += row["evaluations"]
            duplicates += row["evaluations"] if row["duplicate"] else 0
        return Shares(statuses.total(), duplicates, statuses)

    def experiments(self) -> Experiments:
        """The lives of the run's north-star experiments, to read and, where it is open for that, to write."""
        return Experiments(self.connection, self.clock)

    def measurements(self) -> tuple[Measurement, ...]:
        """What devices said of the run's programs, oldest first."""
        return tuple(measurement_of(row) for row in self._query("SELECT * FROM measurements ORDER BY id"))

    def elites(self, limit: int | None = None, split: str = "selection") -> tuple[Elite, ...]:
        """Promoted programs and the newest populations: best north star first, then the rest by proxy.

        What live users say outranks it: a program that gained with them stands before all others, one that
        lost, or from which traffic was taken back, behind all. What a device measured stands before what was
        only estimated, the fastest first, and whatever is within 3 % of that is a tie. A program that failed
        the north star on any fold, or on a device, is left out; equals are in order of id.
        """
        live, refused = self._live()
        clocked = timed(self.measurements())
        best = max((one.share for one in clocked.values() if one.share is not None), default=0.0)
        homes: dict[str, list[int]] = {}
        proxies: dict[str, float] = {}
        for island, generation in self.generations().items():
            for member in self.population(island, generation):
                homes.setdefault(member.program_id, []).append(island)
                proxies[member.program_id] = max(member.score, proxies.get(member.program_id, -math.inf))
        measured = self._north_star(split)
        elites = []
        for program_id in {*homes, *measured}:
            scores = measured.get(program_id, ())
            here = clocked.get(program_id)
            if None not in scores and (here is None or here.share is not None):
                proxy = proxies.get(program_id, self._first_score(program_id))
                star = _mean([score for score in scores if score is not None])
                islands = tuple(homes.get(program_id, ()))
                elites.append(Elite(program_id, star, proxy, islands, live.get(program_id), here))
        return tuple(sorted(elites, key=lambda one: _merit(one, one.program_id in refused, best))[:limit])

    def compare(self, other: "Views", tables: Collection[str] = SEARCH, limit: int = 100) -> list[str]:
        """Sentences on the first `limit` rows that differ from `other`'s; none where the searches are equal.

        Timings, creation times, the config and the sessions are not compared.
        """
        lines = (line for table in tables for line in of_table(self.connection, other.connection, table))
        return list(islice(lines, limit))

    def _live(self) -> tuple[dict[str, Metric], set[str]]:
        """(the newest effect of each live experiment by program, programs that lost or were taken back)."""
        found: dict[str, Metric] = {}
        refused: set[str] = set()
        book = self.experiments()
        begun = self.run()
        rules = begun.config.get("config", {}).get("online", {}) if begun else {}
        looks = effects(book.looks(), rules.get("deciding", ""))
        for one in book.all():
            if one.backend == "live" and one.id in looks:
                look = looks[one.id]
                found[one.program_id] = Metric(look.estimate, look.error, max(look.count, 1))
                lost = one.outcome not in (Outcome.NONE, Outcome.WIN, Outcome.EXHAUSTED)
                if lost or look.estimate < 0 or one.state is State.ROLLED_BACK:
                    refused.add(one.program_id)
        return found, refused

    def _north_star(self, split: str) -> dict[str, list[float | None]]:
        """The newest score of each program on each fold of the split, None where it failed."""
        rows = self._query(
            "SELECT program, score, max(generation) FROM promotions "
            "WHERE split = ? AND status <> 'infrastructure' GROUP BY program, fold ORDER BY program, fold",
            (split,),
        )
        scores: dict[str, list[float | None]] = {}
        for row in rows:
            scores.setdefault(row["program"], []).append(row["score"])
        return scores

    def _first_score(self, program_id: str) -> float | None:
        verdicts = (evaluation.verdict for evaluation in self.evaluations_of(program_id))
        return next((verdict.score.value for verdict in verdicts if verdict.score), None)

    def _generation(self, island: int, generation: int) -> tuple[str, str]:
        row = self.connection.execute(POPULATION, (island, generation)).fetchone()
        if row is None:
            raise LookupError(
                f"island {island} has no generation {generation}, its newest is "
                f"{self.last_generation(island)}"
            )
        population, statistics = row
        return population, statistics

    def _evaluations(self, sql: str, values: Sequence[Any]) -> tuple[Evaluation, ...]:
        found = tuple(map(evaluation_of, self._query(sql, values)))
        for one in found:
            if one.verdict.score:
                self._require_sound(one.program.id, one.program.source)
        return found

    def _require_sound(self, program_id: str, source: str) -> None:
        if reason := self.refused(source):
            raise ArchiveError(
                f"{self.path}: table programs, row {program_id}: it breaks the rules of its kind, so it is "
                f"neither run nor exported nor shown to a model: {reason}"
            )

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return query(self.connection, sql, values)


def _mean(scores: Sequence[float]) -> Metric | None:
    """The mean with its standard error, which one score does not have; None of no scores."""
    count = len(scores)
    if not count:
        return None
    mean = math.fsum(scores) / count
    if count == 1:
        return Metric(mean)
    variance = math.fsum((score - mean) ** 2 for score in scores) / (count - 1)
    return Metric(mean, math.sqrt(variance / count), count)


def _merit(elite: Elite, refused: bool, best: float) -> tuple[float, float, float, float, float, str]:
    """Sorts the best first: live gains, then what live users have not judged, then what they refused.

    In each of these what a device measured comes before what was estimated.
    """
    star = elite.north_star.value if elite.north_star else -math.inf
    proxy = elite.proxy if elite.proxy is not None else -math.inf
    live = elite.live.value if elite.live else 0.0
    place = 2.0 if refused else 0.0 if live > 0 else 1.0
    share = elite.measured.share if elite.measured else None
    clocked = -1.0 if share is None else min(share, best * (1 - TIE))
    return place, -live, -clocked, -star, -proxy, elite.program_id
