"""GPU results: what working off a run's gpu-queue gave, taken into its archive."""

import json
from collections.abc import Iterable
from hashlib import sha256
from math import fsum
from pathlib import Path
from typing import Any

from ...evaluators.data import DataError
from ...kernels.gpu_queue import queue
from ...kernels.timing.measurements import Measurements, Result, Timing
from ...population.archive.archive import Archive, UnknownProgram
from ...population.values.measurement import Measurement
from ..config.recorded import recorded_config
from ..config.run_dir import archive_of, queue_of
from .device_queue import name_of

BASELINES = ("compile-max-autotune", "compile", "eager")
"""What a ratio is over: the first of these that was timed in every direction."""


def ingest(run: Path, file: Path) -> dict[str, Any]:
    """What became of a result file: how many results were taken, which were refused and why.

    A result of a program, a size or binaries that this run did not queue is refused, and the others are
    taken all the same. The same file again changes nothing. DataError where it cannot be read; ArchiveError
    where there is no run, or where it is at work.
    """
    try:
        content = file.read_bytes()
        measured = Measurements.from_json(json.loads(content))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: expected what `recevolve kernels measure` writes: {error}") from None
    digest, folder = sha256(content).hexdigest(), queue_of(run)
    with Archive.create_or_open(archive_of(run)) as archive:
        recorded_config(archive)
        rejected = []
        fitting = []
        for result in measured.results:
            if reason := _foreign(archive, folder, result):
                rejected.append({"entry": result.id, "program": result.program, "reason": reason})
            else:
                fitting.append(_row(measured, result, digest))
        taken = archive.take_measurements(fitting)
        elites = archive.elites(1)
        return {
            "file": str(file),
            "digest": digest,
            "device": measured.machine.device,
            "versions": dict(measured.machine.versions),
            "taken": taken,
            "known": len(fitting) - taken,
            "rejected": rejected,
            "best": elites[0].program_id if elites else None,
        }


def _foreign(archive: Archive, folder: Path, result: Result) -> str:
    """Why a result is not one of this run's, or nothing."""
    try:
        entry = queue.read_one(folder, result.id)
    except FileNotFoundError:
        return f"the run's gpu-queue has no entry {result.id}"
    except ValueError as error:
        return str(error)
    if name_of(entry) != entry.id:
        return "the entry's launches or binaries are not those that the run queued: write the queue again"
    if entry.program != result.program:
        return f"the entry is of program {entry.program}"
    try:
        archive.program(result.program)
    except UnknownProgram as error:
        return str(error)
    return ""


def _row(measured: Measurements, result: Result, digest: str) -> Measurement:
    """The result as the archive keeps it."""
    baseline = _baseline(result.timings.values())
    ratios = [timing.ratios[baseline] for timing in result.timings.values()] if baseline else []
    theirs = (
        fsum(timing.baselines[baseline].median for timing in result.timings.values()) if baseline else None
    )
    seconds = result.seconds
    plain = next(
        one
        for one in measured.to_json()["results"]
        if (one["id"], one["program"]) == (result.id, result.program)
    )
    return Measurement(
        result.program,
        result.id,
        measured.machine.device,
        result.verdict,
        digest,
        seconds,
        None if seconds is None else fsum(timing.roofline_seconds for timing in result.timings.values()),
        baseline,
        theirs / seconds if theirs and seconds else None,
        min((one.low for one in ratios), default=None),  # a sum's ratio lies between those of its parts
        max((one.high for one in ratios), default=None),
        result.reason,
        measured.machine.versions,
        {"timings": plain["timings"], "machine": measured.to_json()["machine"]},
    )


def _baseline(timings: Iterable[Timing]) -> str:
    every = list(timings)
    return next((name for name in BASELINES if every and all(name in one.ratios for one in every)), "")
