"""Stagnation: when an island last gained beyond noise, and what follows where that is long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import pstdev

from ...population.island.diversity import distinct, firsts
from ...population.values.evaluation import Evaluation
from ...population.values.member import Member, ranked

NOISE = 0.1
"""Share of the better half's standard deviation that passes for noise where a judge gives no spread."""


@dataclass(frozen=True, slots=True)
class Progression:
    """How an island gets on: its best score, the generation that last raised it, and its last restart."""

    best: float
    gained: int
    restarted: int = 0

    def waited(self, generation: int) -> int:
        """Generations before `generation` that gave no gain, counted from the last gain or restart."""
        return generation - 1 - max(self.gained, self.restarted)

    def explores(self, generation: int, patience: int) -> bool:
        """Whether `generation` should go further from what the island has."""
        return self.waited(generation) >= patience

    def restarts(self, generation: int, patience: int) -> bool:
        """Whether `generation` should start from other programs."""
        return self.waited(generation) >= 2 * patience


def progressed(
    before: Progression | None, generation: int, start: Sequence[Member], evaluations: Sequence[Evaluation]
) -> Progression | None:
    """The island's progression after a generation; None while it has no score.

    `start` is the population that the generation began with. An evaluation gains where it beats
    the best by more than its own standard error, or, where it has none, by more than NOISE of what the better
    half differs by.
    """
    scored = [one.verdict.score for one in evaluations if one.verdict.score and not one.duplicate_of]
    best = max(scored, key=lambda score: score.value, default=None)
    if before is None:
        return None if best is None else Progression(best.value, generation)
    if best is None:
        return before
    noise = best.spread if best.spread is not None else NOISE * _differs(start)
    if best.value > before.best + noise:
        return Progression(best.value, generation, before.restarted)
    return before


def _differs(members: Sequence[Member]) -> float:
    """The standard deviation of the better half's scores."""
    better = [member.score for member in ranked(tuple(members))][: (len(members) + 1) // 2]
    return pstdev(better) if len(better) > 1 else 0.0


def fresh_start(own: Sequence[Member], others: Sequence[Member], size: int) -> tuple[Member, ...]:
    """The population that a restarted island goes on with: at most half of its places, each another cell.

    The best of each cell of all islands together, without the cell that the island has settled in. Its own
    population where that leaves nobody.
    """
    everyone = ranked(distinct((*own, *others)))
    settled = ranked(tuple(own))[0].cell
    return firsts(everyone, (settled,), max(1, size // 2)) or tuple(own)
