"""Proposer: a request in, one new program out. The protocol that every source of candidates follows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...population.values.evaluation import Evaluation
from ...population.values.member import Member
from ...population.values.origin import NOTHING, Spend


class NoProposal(Exception):
    """A proposer found nothing new to say about these parents. The message says what it tried.

    `outcome` is the reason in one word, as the archive keeps it, `spend` what the try cost all the same, and
    `proposer` who tried.
    """

    def __init__(
        self, message: str, outcome: str = "nothing new", spend: Spend = NOTHING, proposer: str = ""
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.spend = spend
        self.proposer = proposer


class Quota(StrEnum):
    """What is asked of a proposal."""

    EXPLORE = "explore"
    """Go where the island is not: another mechanism, a rare cell."""
    EXPLOIT = "exploit"
    """Make the parent better along what has worked."""
    INNOVATE = "innovate"
    """Bring in an idea that no program of the island has."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the search a proposal belongs. `str` is "island/generation/slot"."""

    island: int
    generation: int
    slot: int

    def __str__(self) -> str:
        return f"{self.island}/{self.generation}/{self.slot}"


@dataclass(frozen=True, slots=True)
class Parent:
    """A program to start from, and its score where it has one; higher is better."""

    program_id: str
    source: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a look at a source gave: "new", "known" (its tree, or nearly, is on record) or "invalid"."""

    found: str
    reason: str = ""


async def untried(source: str) -> Trial:
    """Takes every source for new."""
    return Trial("new")


@dataclass(frozen=True, slots=True)
class Request:
    """One slot of a generation to fill.

    The first parent is the one to improve; others may lend parts. `population` is the island as it stands,
    best first. `trial` checks a source as the generation will: static rules, then what is known already, then
    properties in the sandbox; what it finds is recorded and costs nothing again. `bold` asks for larger
    steps, because the island has not gained for long.
    """

    place: Place
    parents: tuple[Parent, ...]
    rng: np.random.Generator
    population: tuple[Member, ...] = ()
    quota: Quota = Quota.EXPLOIT
    bold: bool = False
    trial: Callable[[str], Awaitable[Trial]] = field(default=untried)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new source text, the ids of the programs that it comes from, and what was changed, in one line.

    `made_by` is the proposer that made it, `spend` what it cost. `instead_of` names the one that was chosen
    and `outcome` why it had nothing, where another stood in.
    """

    source: str
    parents: Sequence[str]
    made_by: str
    explanation: str
    spend: Spend = NOTHING
    instead_of: str = ""
    outcome: str = "proposed"


class Proposer(Protocol):
    """A source of candidates. Awaited, because some ask a model far away."""

    async def propose(self, request: Request) -> Proposal:
        """One proposal, a function of the request, of earlier generations and of recorded calls.

        NoProposal where none is found.
        """
        ...


@runtime_checkable
class Learning(Protocol):
    """A proposer that learns from what became of its candidates. Its state belongs to an island."""

    def credit(self, evaluation: Evaluation, population: Sequence[Member]) -> float:
        """What an evaluation was to the island whose population was this, 0 to 1; higher is better."""
        ...

    def state(self, island: int, generation: int) -> Mapping[str, Any]:
        """What the island had learnt after that generation, plain JSON."""
        ...

    def learn(
        self, before: Mapping[str, Any], evaluations: Sequence[Evaluation], population: Sequence[Member]
    ) -> dict[str, Any]:
        """The state after a generation's evaluations; `population` is the one that it began with."""
        ...
