"""The gpu-queue of a run: elites that rank by estimate, for a machine that can measure them."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...kernels.gpu_queue import queue
from ..config.run_dir import REPORT, queue_of
from ..loop.candidate import canonical
from ..loop.context import SearchContext
from ..loop.executor import Call
from ..north_star.promotion import standings_of

MEASURE = "`recevolve kernels measure RUN` works them off on a machine with a GPU"


@dataclass
class GpuQueue:
    """Writes a run's gpu-queue into the folder of the run. `say` gets what could not be added."""

    run_dir: Path
    say: Callable[[str], None]
    _refused: set[str] = field(default_factory=set)

    async def fill(self, search: SearchContext, until: int) -> int:
        """How many entries were added: those of the seeds and of the elites that met the north star.

        A program that is in the queue already is left as it is. Nothing of it is part of the search.
        """
        if search.executor is None or not search.terms.estimate:
            return 0
        folder = queue_of(self.run_dir)
        known = queued(folder)
        added = 0
        for program_id, source in wanted(search, until).items():
            if program_id in known or program_id in self._refused:
                continue
            verdict = await search.executor.judge(Call("order", canonical(source)[0]))
            entries = [entry_of(program_id, each) for each in verdict.facts.get("entries", ())]
            if not entries:
                self._refused.add(program_id)
                self.say(f"{program_id} is not in the gpu-queue: {verdict.reason}")
                continue
            added += len(queue.write(folder, entries))
        return added


def wanted(search: SearchContext, until: int) -> dict[str, str]:
    """Source by id of what is worth a device: the seeds, elites that met the north star, and the winner."""
    found = {one.id: one.source for one in search.seeds}
    for standing in standings_of(search, until):
        if standing.eligible:
            found.setdefault(standing.program_id, search.archive.program(standing.program_id).source)
    if report := search.archive.conclusion(REPORT):
        winner = str(report["winner"]["program"])
        found.setdefault(winner, search.archive.program(winner).source)
    return found


def entry_of(program_id: str, answer: Mapping[str, Any]) -> queue.Entry:
    """The entry that a worker made, under an id that holds a digest of its binaries and launches."""
    code = {name: base64.b64decode(text) for name, text in answer["code"].items()}
    plain = {**answer["entry"], "program": program_id, "id": program_id}
    entry = queue.Entry.from_json(plain, code)
    return queue.Entry(**{**vars(entry), "id": name_of(entry)})


def name_of(entry: queue.Entry) -> str:
    """The id of an entry: its program, and a digest of all that decides what is measured."""
    plain = entry.to_json()
    for name in ("id", "note", "versions"):
        del plain[name]
    return f"{entry.program}-{queue.digest(json.dumps(plain, sort_keys=True).encode())[:16]}"


def queued(folder: Path) -> dict[str, list[str]]:
    """The ids of entries in a queue by program; empty where there is no queue."""
    found: dict[str, list[str]] = {}
    for path in sorted((folder / "entries").glob("*.json")):
        found.setdefault(path.stem.rpartition("-")[0], []).append(path.stem)
    return found
