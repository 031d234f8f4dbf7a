"""Proposer: parents in, one new program out. The protocol that every source of candidates follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class NoProposal(Exception):
    """A proposer found nothing new to say about these parents. The message says what it tried."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A program to start from, and its score where it has one; higher is better."""

    program_id: str
    source: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new source text, the ids of the programs that it comes from, and what was changed, in one line."""

    source: str
    parents: tuple[str, ...]
    made_by: str
    explanation: str


class Proposer(Protocol):
    """A source of candidates. Awaited, because some ask a model far away."""

    async def propose(self, parents: Sequence[Parent], rng: np.random.Generator) -> Proposal:
        """One proposal, a pure function of the arguments and recorded calls; NoProposal where none is found.

        The first parent is the one to improve; others may lend parts.
        """
        ...
