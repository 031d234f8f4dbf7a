"""The proxy: short trainings at several learning rates on the search split, longer from rung to rung."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ...population.values.verdict import Status, Verdict
from ..ctr.setup import Score, length_of_rung, verdict_of
from ..kinds.failure import Failed
from ..sandbox import Sandbox, SharedArrays
from .setup import OptimizerSetup

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
REMEMBERED = 256
"""Results kept per race, so that a rung need not repeat the one before it."""
BACKOFFS = 3
"""How often a later rung at which every rate diverges tries rates that are lower by one place of the grid."""


@dataclass(frozen=True)
class RungResult:
    """What a rung found out about one program, a learning-rate factor being a multiple of its own `lr`.

    `losses`: the log loss of each factor at its best checkpoint, on the rows that choose; None where it
    diverged. `score`: that of the best factor and checkpoint, on other rows.
    """

    losses: tuple[tuple[float, float | None], ...]
    score: Score
    best_epochs: float
    epochs: float
    cpu_seconds: float

    @property
    def ranked(self) -> list[float]:
        """The factors that did not diverge, the best first."""
        finite = [(loss, factor) for factor, loss in self.losses if loss is not None]
        return [factor for _, factor in sorted(finite)]

    def verdict(self) -> Verdict:
        """SCORED with the negative log loss at the best factor and checkpoint."""
        facts = {
            "lr_factor": self.ranked[0],
            "log_loss_by_factor": {f"{factor:.6g}": loss for factor, loss in self.losses},
            "best_epochs": round(self.best_epochs, 3),
            "epochs": round(self.epochs, 3),
        }
        timings = {"cpu_seconds": self.cpu_seconds}
        return replace(verdict_of(self.score.metrics()), facts=facts, timings=timings)


@dataclass
class Race:
    """Rungs on one setup. All programs share initial weights and batch order, so that their scores pair.

    `rungs` holds (training rows, number of rates) from cheap to dear; lengths are drawn near them, the same
    for all programs. Rates are multiples of the one at which the program's steps have the standard length:
    rung 0 tries the first of `factors`, each later rung the best one so far and its neighbours on a grid
    that is twice as fine, and lower ones where all of these diverge.
    """

    setup: OptimizerSetup
    rungs: Sequence[tuple[int, int]]
    factors: Sequence[float]
    seed: int
    _inputs: dict[int, SharedArrays] = field(default_factory=dict, init=False, repr=False)
    _matched: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _results: dict[tuple[str, int], RungResult] = field(default_factory=dict, init=False, repr=False)

    def rows(self, rung: int) -> int:
        """Training rows that a rung sees."""
        return length_of_rung(self.rungs[rung][0], self.seed, rung)

    def inputs(self, rung: int) -> SharedArrays:
        """The training rows of a rung, made once."""
        if rung not in self._inputs:
            self._inputs[rung] = self.setup.inputs("search", self.rows(rung), self.seed)
        return self._inputs[rung]

    def entrants(self, source: str, rung: int, sandbox: Sandbox) -> list[float]:
        """The rates that a rung tries, as multiples of the program's own. Raises Failed."""
        count = self.rungs[rung][1]
        if rung == 0:
            matched = _remembered(self._matched, source, lambda: self.setup.matched_factor(source, sandbox))
            return [matched * factor for factor in self.factors[:count]]
        before = self.run(source, rung - 1, sandbox)
        best = before.ranked[0]
        apart = self.spacing(rung - 1)
        lower, higher = (
            [loss for factor, loss in before.losses if factor * sign > best * sign] for sign in (-1, 1)
        )
        towards = 1.0 if _least(higher) < _least(lower) else -1.0
        finer = apart**0.5
        return [best, best * finer**towards, best * finer**-towards][:count]

    def spacing(self, rung: int) -> float:
        """The ratio of neighbouring rates on a rung; rung 0 has that of `factors`, on average."""
        tried = self.factors[: self.rungs[0][1]]
        return float((max(tried) / min(tried)) ** (0.5**rung / max(len(tried) - 1, 1)))

    def run(self, source: str, rung: int, sandbox: Sandbox) -> RungResult:
        """The result of a program on a rung, remembered. Raises Failed, also where every rate diverges."""
        return _remembered(self._results, (source, rung), lambda: self._run(source, rung, sandbox))

    def _run(self, source: str, rung: int, sandbox: Sandbox) -> RungResult:
        factors, tried = self.entrants(source, rung, sandbox), list[float]()
        # the best rate of a short training may be the last one before it diverges: too high for a longer one
        for _ in range(1 + (BACKOFFS if rung else 0)):
            if result := self._trained(source, rung, factors, sandbox):
                return result
            tried += factors
            factors = [factor / self.spacing(0) for factor in factors]
        words = ", ".join(f"{factor:.3g}" for factor in tried)
        raise Failed(Status.CRASHED, f"diverged at each learning rate tried: its own times {words}")

    def _trained(
        self, source: str, rung: int, factors: Sequence[float], sandbox: Sandbox
    ) -> RungResult | None:
        """The result of a rung at these rates; None where all of them diverge."""
        setup, rows = self.setup, self.rows(rung)
        marks = setup.marks(rows)
        weights, seconds = setup.train_inside(source, factors, self.inputs(rung), marks, self.seed, sandbox)
        held_out = setup.held_out("search")
        chosen = [setup.best_checkpoint(each, held_out.choosing) for each in weights]
        losses = tuple((factor, found and found[1]) for factor, found in zip(factors, chosen, strict=True))
        finite = [(found[1], rate, found[0]) for rate, found in enumerate(chosen) if found]
        if not finite:
            return None
        _, rate, checkpoint = min(finite)
        score = setup.score_of(weights[rate, checkpoint], held_out.scoring)
        if score is None:
            return None
        best, whole = (setup.epochs("search", marks[which]) for which in (checkpoint, -1))
        return RungResult(losses, score, best, whole, seconds)

    def factor(self, source: str, sandbox: Sandbox) -> float:
        """The multiple of the program's own rate that the last rung found best. Raises Failed."""
        return self.run(source, len(self.rungs) - 1, sandbox).ranked[0]


def _least(losses: Sequence[float | None]) -> float:
    return min((loss for loss in losses if loss is not None), default=np.inf)


def _remembered(known: dict[Key, Value], key: Key, compute: Callable[[], Value]) -> Value:
    """The value of `key`, computed where it is not `known`; the oldest ones are forgotten."""
    if key not in known:
        value = compute()
        while len(known) >= REMEMBERED:
            del known[next(iter(known))]
        known[key] = value
    return known[key]
