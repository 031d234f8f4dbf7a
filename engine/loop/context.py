"""The context of a search: what every generation and every promotion round is given, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive
from ...population.archive.ledger import Ledger
from ...population.values.evaluation import Stage
from ...population.values.program import Program
from ..config.config import Config
from .executor import Executor, Terms
from .proposer import Proposer


class Outside(Protocol):
    """Brings what came from outside into the run's archive, at promotion rounds and nowhere else."""

    def arrive(self, generation: int | None) -> None:
        """Commits all that is to be known at the round of that generation; None: at the conclusion."""
        ...


class Nobody:
    """Nothing comes from outside."""

    def arrive(self, generation: int | None) -> None:
        """Does nothing."""


class Orders(Protocol):
    """Takes work to the world outside; what comes back is no part of the search."""

    async def fill(self, search: "SearchContext", until: int) -> int:
        """Leaves what is worth measuring as of that generation; how much of it was new."""
        ...


@dataclass(frozen=True)
class SearchContext:
    """All that a generation needs. Nothing in here reads a clock, the environment or the network.

    `seeds` are programs of the kind, the first one in production. `executor` is None where calls are
    replayed from the ledger. What the world sends meanwhile comes through `outside`, at
    promotion rounds alone.
    """

    config: Config
    task: Task
    terms: Terms
    seeds: tuple[Program, ...]
    archive: Archive
    ledger: Ledger
    proposer: Proposer
    executor: Executor | None
    outside: Outside = field(default_factory=Nobody)
    orders: Orders | None = None
    """Leaves work for another machine after each round; None where there is none to leave."""

    @property
    def rungs(self) -> int:
        """How many rungs the race has: as many as are asked for and the kind offers."""
        return min(self.config.proxy.rungs, self.terms.rungs)

    @property
    def last_stage(self) -> str:
        """How evaluations name the last rung of the race."""
        return Stage.PROXY.rung(self.rungs - 1)

    @property
    def limits(self) -> Mapping[str, float]:
        """The largest value allowed of each guardrail metric."""
        return {**self.task.guardrails, **self.config.guardrails}
