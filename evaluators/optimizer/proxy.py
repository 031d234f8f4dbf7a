"""The proxy: short trainings at several learning rates on the search split, longer from rung to rung."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...population.values.verdict import Metric, Status, Verdict
from ..ctr.setup import verdict_of
from ..kinds.failure import Failed
from ..sandbox import Sandbox, SharedArrays
from .setup import OptimizerSetup

REMEMBERED = 256
"""Results kept per race, so that a rung need not repeat the one before it."""


@dataclass(frozen=True)
class RungResult:
    """What a rung found out about one program: metrics per learning-rate factor, None where it diverged."""

    metrics: tuple[tuple[float, Mapping[str, Metric] | None], ...]
    cpu_seconds: float

    @property
    def ranked(self) -> list[tuple[float, Mapping[str, Metric]]]:
        """The factors that did not diverge with their metrics, the best first."""
        finite = [(factor, metrics) for factor, metrics in self.metrics if metrics is not None]
        return sorted(finite, key=lambda pair: pair[1]["log_loss"].value)

    def verdict(self) -> Verdict:
        """SCORED with the negative log loss at the best factor."""
        factor, metrics = self.ranked[0]
        losses = {f"{f:g}": None if found is None else found["log_loss"].value for f, found in self.metrics}
        facts = {"lr_factor": factor, "log_loss_by_factor": losses}
        return replace(verdict_of(metrics), facts=facts, timings={"cpu_seconds": self.cpu_seconds})


@dataclass
class Race:
    """Rungs on one setup. All programs share initial weights and batch order, so that their scores pair.

    `rungs` holds (training rows, number of factors) from cheap to dear; rung 0 tries the first of `factors`,
    each later rung the best ones of the rung before.
    """

    setup: OptimizerSetup
    rungs: Sequence[tuple[int, int]]
    factors: Sequence[float]
    seed: int
    _inputs: dict[int, SharedArrays] = field(default_factory=dict, init=False, repr=False)
    _results: dict[tuple[str, int], RungResult] = field(default_factory=dict, init=False, repr=False)

    def inputs(self, rung: int) -> SharedArrays:
        """The training rows of a rung, made once."""
        if rung not in self._inputs:
            self._inputs[rung] = self.setup.inputs("search", self.rungs[rung][0], self.seed)
        return self._inputs[rung]

    def entrants(self, source: str, rung: int, sandbox: Sandbox) -> list[float]:
        """The factors that a rung tries."""
        count = self.rungs[rung][1]
        if rung == 0:
            return list(self.factors[:count])
        return [factor for factor, _ in self.run(source, rung - 1, sandbox).ranked[:count]]

    def run(self, source: str, rung: int, sandbox: Sandbox) -> RungResult:
        """The result of a program on a rung, remembered. Raises Failed, also where every rate diverges."""
        if (source, rung) in self._results:
            return self._results[source, rung]
        factors = self.entrants(source, rung, sandbox)
        weights, seconds = self.setup.train_inside(source, factors, self.inputs(rung), self.seed, sandbox)
        rows = self.setup.splits["search"].held_out
        scores = [self.setup.score_of(row, rows) for row in weights]
        found = [None if score is None else score.metrics() for score in scores]
        result = RungResult(tuple(zip(factors, found, strict=True)), seconds)
        if not result.ranked:
            raise Failed(
                Status.CRASHED,
                f"diverged at each learning rate tried: its own times {', '.join(f'{f:g}' for f in factors)}",
            )
        while len(self._results) >= REMEMBERED:
            del self._results[next(iter(self._results))]
        self._results[source, rung] = result
        return result

    def factor(self, source: str, sandbox: Sandbox) -> float:
        """The learning-rate factor that the last rung found best. Raises Failed."""
        return self.run(source, len(self.rungs) - 1, sandbox).ranked[0][0]
