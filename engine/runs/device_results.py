"""A run's gpu-queue: worked off by its kind's command, and the results taken into the archive."""

import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...evaluators.data import DataError
from ...evaluators.kinds import registry
from ...evaluators.kinds.task import Measuring
from ...population.archive.archive import Archive, UnknownProgram
from ..config.config import ConfigError
from ..config.run_dir import archive_of, queue_of
from ..config.task import config_to_run


def measure(run: Path, output: Path, tasks: Sequence[Path] = ()) -> int:
    """The exit code of the command that measures what is in the run's gpu-queue and writes `output`.

    ConfigError where the run has no queue.
    """
    folder = queue_of(run)
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: expected the gpu-queue of a kernel run; a run without a GPU leaves one at its "
            "promotion rounds and at its end"
        )
    with Archive.read(archive_of(run)) as archive:
        command = measuring_of(archive, tasks).command(folder, output)
    return subprocess.run(command, check=False).returncode


def ingest(run: Path, file: Path, tasks: Sequence[Path] = ()) -> dict[str, Any]:
    """What became of a result file: how many results were taken, which were refused and why.

    A result of a program, a size or binaries that this run did not queue is refused, and the others are
    taken all the same. The same file again changes nothing. DataError where it cannot be read; ArchiveError
    where there is no run, or where it is at work.
    """
    with Archive.create_or_open(archive_of(run)) as archive:
        measuring = measuring_of(archive, tasks)
        try:
            content = file.read_bytes()
            measured = measuring.results(queue_of(run), content)
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: expected what `recevolve kernels measure` writes: {error}") from None
        rejected = []
        fitting = []
        for row, reason in measured.rows:
            if reason := reason or _unknown(archive, row.program_id):
                rejected.append({"entry": row.entry, "program": row.program_id, "reason": reason})
            else:
                fitting.append(row)
        taken = archive.take_measurements(fitting)
        elites = archive.elites(1)
        return {
            "file": str(file),
            "digest": sha256(content).hexdigest(),
            "device": measured.device,
            "versions": dict(measured.versions),
            "taken": taken,
            "known": len(fitting) - taken,
            "rejected": rejected,
            "best": elites[0].program_id if elites else None,
        }


def measuring_of(archive: Archive, tasks: Sequence[Path]) -> Measuring:
    """How the kind of a run is measured elsewhere. ConfigError where it is not."""
    config = config_to_run(archive, tasks)
    task = registry.find(config.kind, config.tasks)
    if task.measuring is None:
        raise ConfigError(f"programs of kind {task.kind} are not measured on another machine")
    return task.measuring


def _unknown(archive: Archive, program_id: str) -> str:
    """Why the archive has no such program, or nothing."""
    try:
        archive.program(program_id)
    except UnknownProgram as error:
        return str(error)
    return ""
