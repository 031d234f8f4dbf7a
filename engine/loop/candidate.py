"""Evaluations: candidates from proposal to the race's start, and the record of how each ended."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...evaluators.language import static
from ...evaluators.language.canonical import canonical as canonical_text
from ...evaluators.language.canonical import syntax_hash
from ...evaluators.language.rules import Rules
from ...population.values.evaluation import Evaluation
from ...population.values.member import Member
from ...population.values.origin import UNKNOWN, Origin
from ...population.values.program import Program
from ...population.values.verdict import Metric, Status, Verdict
from .context import SearchContext

MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Candidate:
    """A program not yet judged. `canonical` is the text that evaluations run, `syntax` its hash."""

    slot: int
    program: Program
    canonical: str
    syntax: str
    cell: tuple[str, ...]
    size: int
    origin: Origin = UNKNOWN


@dataclass(frozen=True)
class Fate:
    """How judging a candidate ended and at which stage; `finished` where it ran every rung of the race."""

    candidate: Candidate
    verdict: Verdict
    stage: str
    behaviour: str | None = None
    duplicate_of: str | None = None
    finished: bool = False


@dataclass(frozen=True)
class Twin:
    """A candidate that behaves as another of its own generation, whose verdict it takes."""

    candidate: Candidate
    behaviour: str
    slot: int

    def fate(self, fates: Mapping[int, Fate]) -> Fate:
        """The twin's fate as this candidate's."""
        other = fates[self.slot]
        return Fate(self.candidate, other.verdict, "duplicate", self.behaviour, other.candidate.program.id)


@lru_cache(maxsize=4096)
def canonical(source: str) -> tuple[str, str, int]:
    """(canonical text, its hash, syntax nodes) of a source that passed the static check."""
    text = canonical_text(source)
    return text, syntax_hash(source), sum(1 for _ in ast.walk(ast.parse(text)))


def candidate(search: SearchContext, slot: int, program: Program, origin: Origin = UNKNOWN) -> Candidate:
    """The candidate of a program that passed the static check."""
    text, syntax, size = canonical(program.source)
    return Candidate(slot, program, text, syntax, search.task.describe(text), size, origin)


def residents(population: Iterable[Member]) -> dict[str, Member]:
    """The members by their syntax hash."""
    return {canonical(one.source)[1]: one for one in population}


def refused(source: str, rules: Rules) -> str:
    """What the static rules have against the source, the first few problems; "" where they have nothing."""
    return "; ".join(map(str, static.check(source, rules)[:MOST_PROBLEMS]))


def check(
    search: SearchContext,
    programs: Iterable[tuple[int, Program, Origin]],
    island: int,
    number: int,
    population: Sequence[Member],
) -> tuple[list[Candidate], list[Fate]]:
    """(candidates worth a sandbox, fates of the others): static rules, then duplicates by syntax.

    Equal trees within one generation both go on: they share every ledger key, so the second costs nothing.
    """
    known = residents(population)
    fresh: list[Candidate] = []
    fates: list[Fate] = []
    for slot, program, origin in programs:
        if reason := refused(program.source, search.task.rules):
            blank = Candidate(slot, program, "", program.id, (), 0, origin)
            fates.append(Fate(blank, Verdict(Status.INVALID, reason=reason), "static"))
            continue
        born = candidate(search, slot, program, origin)
        if resident := known.get(born.syntax):
            fates.append(as_resident(born, resident))
        elif before := search.archive.duplicate_by_syntax(island, born.syntax, number):
            fates.append(as_before(born, before))
        else:
            fresh.append(born)
    return fresh, fates


def as_resident(born: Candidate, twin: Member) -> Fate:
    """The fate of a candidate whose twin lives on the island."""
    verdict = Verdict(Status.SCORED, Metric(twin.score))
    return Fate(born, verdict, "duplicate", twin.behaviour, twin.program_id)


def as_before(born: Candidate, twin: Evaluation) -> Fate:
    """The fate of a candidate whose twin was born on the island in an earlier generation."""
    return Fate(born, twin.verdict, "duplicate", twin.behaviour, twin.program.id)


def evaluation(island: int, number: int, fate: Fate) -> Evaluation:
    """The record of one candidate's fate."""
    born = fate.candidate
    return Evaluation(
        island,
        number,
        born.slot,
        born.program,
        born.syntax,
        fate.verdict,
        fate.stage,
        fate.behaviour,
        fate.duplicate_of,
        born.cell,
        born.size,
        born.origin,
    )


def member(born: Evaluation) -> Member:
    """The place on an island of a candidate that was scored."""
    assert born.verdict.score is not None
    assert born.behaviour is not None
    return Member(
        born.program.id, born.program.source, born.verdict.score.value, born.behaviour, born.cell, born.size
    )
