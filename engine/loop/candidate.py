"""Candidate: a proposed program on its way to an evaluation."""

import ast
from dataclasses import asdict, dataclass
from functools import lru_cache

from ...evaluators.language import static
from ...evaluators.language.canonical import canonical as canonical_text
from ...evaluators.language.canonical import syntax_hash
from ...evaluators.language.rules import Rules
from ...population.values.evaluation import Evaluation, Stage
from ...population.values.member import Member
from ...population.values.origin import UNKNOWN, Origin
from ...population.values.program import Program
from ...population.values.verdict import Metric, Status, Verdict
from .context import SearchContext
from .proposer import Place

MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Candidate:
    """A program that is to be judged.

    To the proposal it adds the place that it was made for and what its text alone tells: the hash of its
    syntax tree, its cell, and its size in syntax nodes.
    """

    place: Place
    program: Program
    syntax_hash: str
    cell: tuple[str, ...] = ()
    size: int = 0
    origin: Origin = UNKNOWN

    def judged(
        self, verdict: Verdict, stage: str, behaviour: str | None = None, duplicate_of: str | None = None
    ) -> Evaluation:
        """The candidate's evaluation."""
        return Evaluation(
            **asdict(self.place),
            program=self.program,
            syntax_hash=self.syntax_hash,
            verdict=verdict,
            stage=stage,
            behaviour=behaviour,
            duplicate_of=duplicate_of,
            cell=self.cell,
            size=self.size,
            origin=self.origin,
        )

    def equals(self, other: Evaluation | Member) -> Evaluation:
        """The evaluation of a duplicate of the other, whose verdict and behaviour it takes."""
        if isinstance(other, Member):
            verdict = Verdict(Status.SCORED, Metric(other.score))
            return self.judged(verdict, Stage.DUPLICATE, other.behaviour, other.program_id)
        return self.judged(other.verdict, Stage.DUPLICATE, other.behaviour, other.program.id)


@lru_cache(maxsize=4096)
def canonical(source: str) -> tuple[str, str, int]:
    """(canonical text, its hash, syntax nodes) of a source that passed the static check."""
    text = canonical_text(source)
    return text, syntax_hash(source), sum(1 for _ in ast.walk(ast.parse(text)))


def candidate(search: SearchContext, place: Place, program: Program, origin: Origin = UNKNOWN) -> Candidate:
    """The candidate of a program that passed the static check."""
    text, syntax, size = canonical(program.source)
    return Candidate(place, program, syntax, search.task.describe(text), size, origin)


def refused(source: str, rules: Rules) -> str:
    """What the static rules have against the source, the first few problems; "" where they have nothing."""
    return "; ".join(map(str, static.check(source, rules)[:MOST_PROBLEMS]))


def member(one: Evaluation) -> Member:
    """The place on an island of a candidate that was scored."""
    assert one.verdict.score is not None
    assert one.behaviour is not None
    return Member(
        one.program.id, one.program.source, one.verdict.score.value, one.behaviour, one.cell, one.size
    )
