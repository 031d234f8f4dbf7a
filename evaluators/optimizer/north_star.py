"""The north star: full trainings stepped from outside, on fresh seeds and users, and on a second log."""

from dataclasses import dataclass

import numpy as np

from ...population.verdict import Metric, Status, Verdict
from ..sandbox import Sandbox
from . import audit
from .arena import Arena, Score
from .failure import Failed
from .proxy import Race
from .stepper import Stepper

SPLITS = ("selection", "claim")


@dataclass(frozen=True)
class NorthStar:
    """The slow score of a program at the learning-rate factor that the search split found best.

    `epochs` counts passes over the `subsample` of training rows that each fold draws; `transfer` is a race on
    another log with another ranker, whose held-out rows give the `transfer_` metrics.
    """

    race: Race
    epochs: float
    subsample: float
    seed: int
    transfer: Race | None

    def judge(self, source: str, split: str, fold: int, sandbox: Sandbox) -> Verdict:
        """SCORED with the negative log loss on the held-out users of `fold`; CHEATED where an audit fails.

        Audits run with fold 0. Raises Failed.
        """
        if split not in SPLITS:
            raise ValueError(f"the north star is measured on one of {', '.join(SPLITS)}, got {split!r}")
        rng = np.random.Generator(np.random.Philox([self.seed, SPLITS.index(split), fold]))
        factor = self.race.factor(source, sandbox)
        if fold == 0 and (wrong := audit.trajectory(self.race, source, sandbox)):
            return Verdict(Status.CHEATED, reason=wrong)
        rows = round(self.epochs * self.subsample * len(self.race.arena.splits[split].train))
        trained = self._train(
            self.race.arena, source, factor, split, fold, rows, rng, sandbox, audited=fold == 0
        )
        if isinstance(trained, str):
            return Verdict(Status.CHEATED, reason=trained)
        metrics, facts = trained.metrics(), {"lr_factor": factor}
        if self.transfer is not None:
            factor = self.transfer.factor(source, sandbox)
            rows = self.transfer.rungs[-1][0]
            other = self._train(self.transfer.arena, source, factor, split, fold, rows, rng, sandbox)
            assert isinstance(other, Score)
            metrics |= other.metrics("transfer_")
            facts["transfer_lr_factor"] = factor
        return Verdict(
            Status.SCORED,
            Metric(-trained.log_loss, trained.error, trained.rows),
            metrics=metrics,
            facts=facts,
        )

    def _train(
        self,
        arena: Arena,
        source: str,
        factor: float,
        split: str,
        fold: int,
        rows: int,
        rng: np.random.Generator,
        sandbox: Sandbox,
        audited: bool = False,
    ) -> Score | str:
        """The score after a training stepped from outside, or what the audit of its steps says."""
        seed = int(rng.integers(2**31))
        order = arena.order(split, rows, seed, self.subsample)
        steps = -(-rows // arena.batch)
        record = rng.choice(steps, min(audit.SAMPLED, steps), replace=False) + 1 if audited else ()
        with Stepper(sandbox, source, factor, arena.shapes(), arena.limits, record) as stepper:
            weights = arena.train_outside(order, seed, stepper)
        score = arena.score(weights, arena.splits[split].folds[fold])
        if score is None:
            raise Failed(
                Status.CRASHED, f"diverged at full length on {arena.log.name}, {factor:g} times its own lr"
            )
        if audited:
            with Stepper(sandbox, source, factor, arena.shapes(), arena.limits) as fresh:
                fresh.begin(stepper.first)
                if wrong := audit.memory(stepper.steps, fresh, rng):
                    return wrong
        return score
