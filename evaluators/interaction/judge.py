"""InteractionJudge: the kind bound to a log and to settings. Source in, Verdict out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...population.values.verdict import Verdict
from ..ctr.judge import TrainingJudge
from ..ctr.settings import TrainingSettings
from ..kinds.failure import judged
from ..sandbox import Limits, Sandbox
from .guard import guard
from .north_star import full_score
from .proxy import Race
from .settings import Settings
from .setup import LayerSetup

OTHER = {"parallel": "stacked", "stacked": "parallel"}


class InteractionJudge(TrainingJudge[LayerSetup]):
    """Judges layers by how well a ranker with them predicts rows of the log of a config's [data] table.

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
        models = (chosen.model, OTHER[chosen.model])
        super().__init__(LayerSetup, data, chosen, limits, task_version, models, known)
        self.race = Race(self.setup, chosen.rung_epochs, chosen.seed, chosen.draws)
        self.rungs = len(chosen.rung_epochs)

    @judged
    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the search split after the rung's passes."""
        return self.race.run(source, rung, sandbox)

    @judged
    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the fold's users of 'selection' or 'claim'."""
        audited = self.audited(source, fold)
        return full_score(self.trainings, source, split, fold, of, sandbox, audited=audited)

    @judged
    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`forward_time_ratio`, `parameter_ratio` and `flop_ratio` to dcn_v2, lower is better."""
        return guard(source, self.setup, self.setup.settings.guard_steps, sandbox)

    def trainings_of(self, chosen: TrainingSettings) -> Sequence[tuple[int, int]]:
        """(training rows, draws of weights and order) of each rung."""
        assert isinstance(chosen, Settings)
        train, last = len(self.setup.splits["search"].train), len(chosen.rung_epochs) - 1
        return [
            (max(1, round(epochs * train)), chosen.draws if rung == last else 1)
            for rung, epochs in enumerate(chosen.rung_epochs)
        ]

    def shorter(self, rows: int) -> dict[str, Any]:
        """`rung_epochs` in proportion."""
        train = len(self.setup.splits["search"].train)
        lengths = self.cut([length for length, _ in self.trainings_of(self.chosen)], rows)
        return {"rung_epochs": tuple(float(f"{length / train:.4g}") for length in lengths)}
