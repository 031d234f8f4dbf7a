"""Evaluation and Promotion: what happened to a candidate, in the island and under the north star."""

from dataclasses import dataclass

from .origin import UNKNOWN, Origin
from .program import Program
from .verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One candidate of one island and generation, numbered by `slot`, and how judging it ended.

    `stage` names the last judgement it reached (the caller's words, for example "static", "examine",
    "proxy 1"). `duplicate_of` is the id of the twin whose verdict it took unevaluated. `behaviour` is None
    where it was never fingerprinted. `cell` and `size` are as in `Member`.
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
