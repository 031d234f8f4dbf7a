"""Outside: what reaches a run from the world while it works; the one seam for it, as the ledger for calls."""

from typing import Protocol

from ..population.experiment import Mark
from ..population.experiments import Experiments
from ..population.ledger import NotRecorded


class Outside(Protocol):
    """Brings what came from outside into the run's archive, at meetings and nowhere else."""

    def arrive(self, generation: int | None) -> None:
        """Commits all that is to be known at the meeting of that generation; None: at the conclusion."""
        ...


class Nobody:
    """Nothing comes from outside."""

    def arrive(self, generation: int | None) -> None:
        """Does nothing."""


class Recorded:
    """What came from outside when the run was made, for an archive that rebuilds it."""

    def __init__(self, source: Experiments, rebuilt: Experiments) -> None:
        self._source, self._rebuilt = source, rebuilt
        self._seen = Mark()

    def arrive(self, generation: int | None) -> None:
        """Copies what that meeting saw. NotRecorded where the record ends before it."""
        if generation is None:
            return
        if not self._source.met(generation):
            raise NotRecorded(
                f"the record holds no meeting at generation {generation}: the run stopped before"
            )
        self.until(self._source.mark(generation) or Mark())

    def until(self, mark: Mark) -> None:
        """Copies what was known at that mark."""
        self._rebuilt.copy(self._source, self._seen, mark)
        self._seen = mark
