"""Outside: what reaches a run from the world while it works; the one seam for it, as the ledger for calls."""

from typing import TYPE_CHECKING, Protocol

from ...population.archive.experiments import Experiments
from ...population.archive.ledger import NotRecorded
from ...population.values.experiment import Mark

if TYPE_CHECKING:
    from ..search import Search


class Outside(Protocol):
    """Brings what came from outside into the run's archive, at meetings and nowhere else."""

    def arrive(self, generation: int | None) -> None:
        """Commits all that is to be known at the meeting of that generation; None: at the conclusion."""
        ...


class Orders(Protocol):
    """Takes work to the world outside; what comes back is no part of the search."""

    async def fill(self, search: "Search", until: int) -> int:
        """Leaves what is worth measuring as of that generation; how much of it was new."""
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
