"""Families: the candidates of an island that differ in numbers alone, as a tuner's data."""

from collections.abc import Sequence
from dataclasses import dataclass

from ....evaluators.language.literals import normal, outline
from ....population.archive.views import Views
from ....population.values.evaluation import Evaluation
from ....population.values.verdict import Status

Merit = tuple[int, float]
"""The last rung that was run and the score there; what failed is below all."""
FAILED: Merit = (-1, 0.0)
_NORMAL = frozenset({"syntax", "constants"})
"""Who writes programs in the normal text, so that it need not be made again."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate of a family: its generation and numbers, how it did, what it was tuned from, if it was."""

    generation: int
    values: tuple[float, ...]
    merit: Merit
    tuned_from: str = ""


class Families:
    """The evaluations of one island by skeleton, read from the archive generation by generation.

    Holds numbers only, no sources: what it answers depends on the archive alone, however it came to know it.
    """

    def __init__(self, archive: Views, island: int, tuner: str) -> None:
        self._archive = archive
        self._island = island
        self._tuner = tuner
        self._read = 0
        self._trials: dict[str, list[Trial]] = {}
        self._merits: dict[str, Merit] = {}

    def before(self, generation: int, skeleton: str) -> Sequence[Trial]:
        """The family's trials of earlier generations, and maybe of later ones behind them; oldest first."""
        for number in range(self._read, generation):
            for evaluation in self._archive.evaluations(self._island, number):
                self._add(evaluation)
            self._read = number + 1
        return self._trials.get(skeleton, ())

    def _add(self, evaluation: Evaluation) -> None:
        merit = self._merit(evaluation)
        if merit is None:
            return
        program = evaluation.program
        self._merits.setdefault(program.id, merit)
        text = program.source if program.made_by in _NORMAL else normal(program.source)
        skeleton, values = outline(text)
        parent = program.parents[0] if program.made_by == self._tuner and program.parents else ""
        self._trials.setdefault(skeleton, []).append(Trial(evaluation.generation, values, merit, parent))

    def _merit(self, evaluation: Evaluation) -> Merit | None:
        """None where the evaluation says nothing of its program, or nothing that compares."""
        if evaluation.duplicate_of:
            return self._merits.get(evaluation.duplicate_of)
        if evaluation.verdict.status is Status.INFRASTRUCTURE or evaluation.stage == "static":
            return None
        if evaluation.verdict.score is None:
            return FAILED
        return int(evaluation.stage.rpartition(" ")[2]), evaluation.verdict.score.value
