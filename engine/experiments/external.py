"""What came from outside when a run was made, for an archive that rebuilds it."""

from ...population.archive.experiments import Experiments
from ...population.archive.ledger import NotRecorded
from ...population.values.experiment import Mark


class Recorded:
    """What came from outside when the run was made, for an archive that rebuilds it."""

    def __init__(self, source: Experiments, rebuilt: Experiments) -> None:
        self._source, self._rebuilt = source, rebuilt
        self._seen = Mark()

    def arrive(self, generation: int | None) -> None:
        """Copies what that round saw. NotRecorded where the record ends before it."""
        if generation is None:
            return
        if not self._source.held(generation):
            raise NotRecorded(
                f"the record holds no promotion round at generation {generation}: the run stopped before"
            )
        self.until(self._source.mark(generation) or Mark())

    def until(self, mark: Mark) -> None:
        """Copies what was known at that mark."""
        self._rebuilt.copy(self._source, self._seen, mark)
        self._seen = mark
