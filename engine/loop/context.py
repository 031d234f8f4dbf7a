"""The context of a search: what every generation and every promotion round is given, and nothing else."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive
from ...population.archive.ledger import Ledger
from ...population.values.evaluation import Stage
from ...population.values.program import Program
from ..config.config import Config
from .executor import Executor, Terms
from .proposer import Proposer


@dataclass(frozen=True)
class SearchContext:
    """All that a generation needs. Nothing in here reads a clock, the environment or the network.

    `seeds` are programs of the kind, the first one in production. `executor` is None where calls are
    replayed from the ledger. What the world sends meanwhile comes through `arrive` alone.
    """

    config: Config
    task: Task
    terms: Terms
    seeds: tuple[Program, ...]
    archive: Archive
    ledger: Ledger
    proposer: Proposer
    executor: Executor | None
    arrive: Callable[[int | None], None] = lambda generation: None
    """Commits what came from outside, to be known at the round of a generation; None: at the conclusion."""
    order: "Callable[[SearchContext, int], Awaitable[int]] | None" = None
    """Leaves what is worth measuring elsewhere as of a generation; how much of it was new. None: nothing."""

    @property
    def rungs(self) -> int:
        """How many rungs the race has: as many as are asked for and the kind offers."""
        return min(self.config.proxy.rungs, self.terms.rungs)

    @property
    def final_folds(self) -> int:
        """How many folds the selection split and the claim split are dealt into; rounds measure the first."""
        return self.config.north_star.final_folds or self.terms.folds

    @property
    def last_stage(self) -> str:
        """How evaluations name the last rung of the race."""
        return Stage.PROXY.rung(self.rungs - 1)

    @property
    def limits(self) -> Mapping[str, float]:
        """The largest value allowed of each guardrail metric."""
        return {**self.task.guardrails, **self.config.guardrails}
