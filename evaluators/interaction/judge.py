"""InteractionJudge: the kind bound to a log and to settings. Source in, Verdict out."""

from collections.abc import Mapping
from typing import Any

from ...population.values.verdict import Verdict
from ..ctr.judge import TrainingJudge
from ..data import Log, Split
from ..kinds.failure import judged
from ..sandbox import Limits, Sandbox
from .guard import guard
from .north_star import NorthStar
from .proxy import Race
from .reference_cost import Budget
from .settings import Settings
from .setup import LayerSetup

OTHER = {"parallel": "stacked", "stacked": "parallel"}


class InteractionJudge(TrainingJudge[LayerSetup]):
    """Judges layers by how well a ranker with them predicts rows of the log of a config's [data] table.

    DataError for a log that cannot be used, ValidationError for settings that cannot.
    """

    def __init__(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits, task_version: str
    ) -> None:
        self.settings = chosen = Settings.model_validate(settings)
        super().__init__(data, chosen, limits, task_version, (chosen.model, OTHER[chosen.model]))
        self.race = Race(self.setup, chosen.rung_epochs, chosen.seed, chosen.draws)
        self.star = NorthStar(self.trainings)
        self.rungs = len(chosen.rung_epochs)

    def setup_on(self, log: Log, splits: Mapping[str, Split], model: str) -> LayerSetup:
        """The ranking model `model` on this log."""
        chosen = self.settings
        return LayerSetup(
            log=log,
            splits=splits,
            model=model,
            dim=chosen.dim,
            batch=chosen.batch,
            evaluation_rows=chosen.evaluation_rows,
            limits=self.limits,
            lr=chosen.lr,
            budget=Budget(chosen.parameter_budget, chosen.flop_budget),
        )

    @judged
    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the search split after the rung's passes."""
        return self.race.run(source, rung, sandbox)

    @judged
    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the fold's users of 'selection' or 'claim'."""
        return self.star.judge(source, split, fold, of, sandbox)

    @judged
    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`forward_time_ratio`, `parameter_ratio` and `flop_ratio` to dcn_v2, lower is better."""
        return guard(source, self.setup, self.settings.guard_steps, sandbox)
