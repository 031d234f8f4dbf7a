"""The proxy: short trainings at several learning rates on the search split, longer from rung to rung."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed
from ..sandbox import Sandbox, SharedArrays
from .setup import Arena, Score

REMEMBERED = 256
"""Results kept per race, so that a rung need not repeat the one before it."""


@dataclass(frozen=True)
class Heat:
    """What a rung found out about one program: a score per learning-rate factor, None where it diverged."""

    scores: tuple[tuple[float, Score | None], ...]
    cpu_seconds: float

    @property
    def ranked(self) -> list[tuple[float, Score]]:
        """The factors that did not diverge with their scores, the best first."""
        finite = [(factor, score) for factor, score in self.scores if score is not None]
        return sorted(finite, key=lambda pair: pair[1].log_loss)

    def verdict(self) -> Verdict:
        """SCORED with the negative log loss at the best factor."""
        factor, score = self.ranked[0]
        losses = {f"{f:g}": None if s is None else s.log_loss for f, s in self.scores}
        return Verdict(
            Status.SCORED,
            Metric(-score.log_loss, score.error, score.rows),
            metrics=score.metrics(),
            facts={"lr_factor": factor, "log_loss_by_factor": losses},
            timings={"cpu_seconds": self.cpu_seconds},
        )


@dataclass
class Race:
    """Rungs on one arena. All programs share initial weights and batch order, so that their scores pair.

    `rungs` holds (training rows, number of factors) from cheap to dear; rung 0 tries the first of `factors`,
    each later rung the best ones of the rung before.
    """

    arena: Arena
    rungs: Sequence[tuple[int, int]]
    factors: Sequence[float]
    seed: int
    _inputs: dict[int, SharedArrays] = field(default_factory=dict, init=False, repr=False)
    _heats: dict[tuple[str, int], Heat] = field(default_factory=dict, init=False, repr=False)

    def inputs(self, rung: int) -> SharedArrays:
        """The training rows of a rung, made once."""
        if rung not in self._inputs:
            self._inputs[rung] = self.arena.inputs("search", self.rungs[rung][0], self.seed)
        return self._inputs[rung]

    def entrants(self, source: str, rung: int, sandbox: Sandbox) -> list[float]:
        """The factors that a rung tries."""
        count = self.rungs[rung][1]
        if rung == 0:
            return list(self.factors[:count])
        return [factor for factor, _ in self.run(source, rung - 1, sandbox).ranked[:count]]

    def run(self, source: str, rung: int, sandbox: Sandbox) -> Heat:
        """The heat of a program on a rung, remembered. Raises Failed, also where every rate diverges."""
        if (source, rung) in self._heats:
            return self._heats[source, rung]
        factors = self.entrants(source, rung, sandbox)
        weights, seconds = self.arena.train_inside(source, factors, self.inputs(rung), self.seed, sandbox)
        rows = self.arena.splits["search"].held_out
        scores = [self.arena.score(row, rows) for row in weights]
        heat = Heat(tuple(zip(factors, scores, strict=True)), seconds)
        if not heat.ranked:
            raise Failed(
                Status.CRASHED,
                f"diverged at each learning rate tried: its own times {', '.join(f'{f:g}' for f in factors)}",
            )
        while len(self._heats) >= REMEMBERED:
            del self._heats[next(iter(self._heats))]
        self._heats[source, rung] = heat
        return heat

    def factor(self, source: str, sandbox: Sandbox) -> float:
        """The learning-rate factor that the last rung found best. Raises Failed."""
        return self.run(source, len(self.rungs) - 1, sandbox).ranked[0][0]
