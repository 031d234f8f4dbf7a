"""OptimizerJudge: the kind bound to a log and to settings. Source in, Verdict out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...population.values.verdict import Verdict
from ..ctr.judge import TrainingJudge
from ..ctr.settings import TrainingSettings
from ..kinds.failure import judged
from ..sandbox import Limits, Sandbox
from .endurance import LONGER, audit_horizon, audit_long_training
from .guard import guard
from .north_star import NorthStar
from .proxy import Race
from .settings import Settings
from .setup import OptimizerSetup

TRANSFER_RANKER = "dlrm"


class OptimizerJudge(TrainingJudge[OptimizerSetup]):
    """Judges optimizers by how well they train a ranker on the log of a config's [data] table.

    DataError for a log that cannot be used, ValidationError for settings that cannot.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        settings: Mapping[str, Any],
        limits: Limits,
        task_version: str,
        known: Collection[str] = (),
    ) -> None:
        chosen = Settings.model_validate(settings)
        models = (chosen.model, TRANSFER_RANKER)
        super().__init__(OptimizerSetup, data, chosen, limits, task_version, models, known)
        rungs = list(zip(chosen.rung_rows, chosen.rung_factors, strict=True))
        self.race = Race(self.setup, rungs, chosen.factors, chosen.seed)
        other, last = self.trainings.transfer, len(rungs) - 1
        lengths = [max(1, chosen.transfer_rows >> (last - rung)) for rung in range(len(rungs))]
        further = list(zip(lengths, chosen.rung_factors, strict=True))
        transfer = Race(other, further, chosen.factors, chosen.seed) if other else None
        self.star = NorthStar(self.trainings, self.race, transfer)
        self.rungs = len(rungs)

    @judged
    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the search split at the best learning-rate factor of the rung."""
        return self.race.run(source, rung, sandbox).verdict()

    @judged
    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the fold's users of 'selection' or 'claim', stepped from outside."""
        return self.star.judge(source, split, fold, of, sandbox, audited=self.audited(source, fold))

    @judged
    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`step_time_ratio` and `state_memory_ratio` to Adam, lower is better.

        Only of a program that survives thousands of steps in a row and a training of ten times the length.
        """
        setup = self.setup
        audit_horizon(source, setup.limits, sandbox)
        audit_long_training(self.race, source, self.trainings.rows("selection"), sandbox)
        return guard(source, setup.shapes(), setup.settings.guard_steps, setup.limits, sandbox)

    def trainings_of(self, chosen: TrainingSettings) -> Sequence[tuple[int, int]]:
        """(training rows, learning rates tried) of each rung."""
        assert isinstance(chosen, Settings)
        return list(zip(chosen.rung_rows, chosen.rung_factors, strict=True))

    def shorter(self, rows: int) -> dict[str, Any]:
        """`rung_rows` in proportion."""
        return {"rung_rows": tuple(self.cut([length for length, _ in self.race.rungs], rows))}

    def audits(self, rungs: Sequence[tuple[int, int]], fold: int) -> tuple[float, float]:
        """Fold 0 repeats all rungs, and their best rate from outside; the guard trains much longer."""
        return sum((count + 1) * length for length, count in rungs), LONGER * fold
