"""Evaluation and Promotion: what judging a candidate gave, on its island and under the north star."""

from dataclasses import dataclass
from enum import StrEnum

from .origin import UNKNOWN, Origin
from .program import Program
from .verdict import Verdict


class Stage(StrEnum):
    """The steps of an evaluation, by the names that archives and ledgers keep.

    A candidate is held against the rules (STATIC), then against what is known (DUPLICATE, by its syntax tree
    or its behaviour), then its properties are tested, then it runs the rungs of the proxy. Elites get their
    north star with its guardrails; ORDER prepares a measurement by another machine, PATCH tries an export.
    """

    STATIC = "static"
    DUPLICATE = "duplicate"
    PROPERTIES = "properties"
    PROXY = "proxy"
    NORTH_STAR = "north_star"
    GUARD = "guard"
    ORDER = "order"
    PATCH = "patch"

    def rung(self, number: int) -> str:
        """The stage with the number of its rung, from 0, as evaluations name it: "proxy 1"."""
        return f"{self} {number}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One candidate of one island and generation, numbered by `slot`, with what judging it gave.

    To the candidate it adds the `verdict`, the last `stage` that it reached, its `behaviour` (None where it
    was never fingerprinted), and `duplicate_of`, the id of an equal program whose verdict it took unjudged.
    `cell` and `size` are as in `Member`.
    """

    island: int
    generation: int
    slot: int
    program: Program
    syntax_hash: str
    verdict: Verdict
    stage: str
    behaviour: str | None = None
    duplicate_of: str | None = None
    cell: tuple[str, ...] = ()
    size: int = 0
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True)
class Promotion:
    """One north-star measurement of a program: its verdict on one fold of one split.

    `generation` is when it was promoted and `slot` which of that generation's promotions it is.
    """

    generation: int
    slot: int
    program_id: str
    split: str
    fold: int
    verdict: Verdict
