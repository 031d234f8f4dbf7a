"""The gpu-queue of a run: elites that rank by estimate, for a machine that can measure them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...evaluators.kinds.task import Measuring
from ...population.values.evaluation import Stage
from ..config.run_dir import REPORT, queue_of
from ..loop.candidate import canonical
from ..loop.context import SearchContext
from ..loop.executor import Call
from ..north_star.promotion import standings_of

MEASURE = "`recevolve kernels measure RUN` works them off on a machine with a GPU"


@dataclass
class DeviceQueue:
    """Writes a run's gpu-queue into the folder of the run. `say` gets what could not be added."""

    run_dir: Path
    measuring: Measuring
    say: Callable[[str], None]
    _refused: set[str] = field(default_factory=set)

    async def fill(self, search: SearchContext, until: int) -> int:
        """How many entries were added: those of the seeds and of the elites that met the north star.

        A program that is in the queue already is left as it is. Nothing of it is part of the search.
        """
        if search.executor is None or not search.terms.estimate:
            return 0
        folder = queue_of(self.run_dir)
        known = self.measuring.queued(folder) | self._refused
        added = 0
        for program_id, source in wanted(search, until).items():
            if program_id in known:
                continue
            verdict = await search.executor.judge(Call(Stage.ORDER, canonical(source)[0]))
            count = self.measuring.enqueue(folder, program_id, verdict)
            if not count:
                self._refused.add(program_id)
                self.say(f"{program_id} is not in the gpu-queue: {verdict.reason}")
            added += count
        return added


def wanted(search: SearchContext, until: int) -> dict[str, str]:
    """Source by id of what is to be measured: the seeds, elites that met the north star, and the winner."""
    found = {one.id: one.source for one in search.seeds}
    for standing in standings_of(search, until):
        if standing.eligible:
            found.setdefault(standing.program_id, search.archive.program(standing.program_id).source)
    if report := search.archive.conclusion(REPORT):
        winner = str(report["winner"]["program"])
        found.setdefault(winner, search.archive.program(winner).source)
    return found
