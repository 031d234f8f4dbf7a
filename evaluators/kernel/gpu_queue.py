"""GpuQueue: kernels that are estimated here, measured on a machine with a GPU. Needs no triton."""

import base64
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from math import fsum
from pathlib import Path
from typing import Any

from ...kernels.gpu_queue import queue
from ...kernels.timing.measurements import Machine, Measurements, Result, Timing
from ...population.values.measurement import Measurement
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.task import DeviceResults

BASELINES = ("compile-max-autotune", "compile", "eager")
"""What a ratio is over: the first of these that was timed in every direction."""


class GpuQueue:
    """`Measuring` for programs whose launches can be recorded and replayed on a GPU."""

    def enqueue(self, queue: Path, program_id: str, order: Verdict) -> int:
        """How many entries of an order were written, each under an id with a digest of what is measured."""
        return len(write(queue, program_id, order.facts.get("entries", ())))

    def queued(self, queue: Path) -> set[str]:
        """The ids of the programs in a queue; none where there is no such folder."""
        return {path.stem.rpartition("-")[0] for path in (queue / "entries").glob("*.json")}

    def command(self, queue: Path, output: Path) -> Sequence[str]:
        """The command line that measures what is in the queue on this machine's GPU."""
        return [sys.executable, "-m", "recevolve.kernels.measure", str(queue), "-o", str(output)]

    def results(self, queue: Path, content: bytes) -> DeviceResults:
        """What a result file says. ValueError where `recevolve.kernels.measure` wrote no such file."""
        measured = Measurements.from_json(json.loads(content))
        machine, digest = measured.machine, sha256(content).hexdigest()
        rows = [(_row(machine, result, digest), _foreign(queue, result)) for result in measured.results]
        return DeviceResults(machine.device, machine.versions, rows)


def order(entries: Sequence[queue.Entry]) -> Verdict:
    """The entries as a verdict carries them: JSON, and code by digest in base64."""
    plain = [
        {
            "entry": entry.to_json(),
            "code": {name: base64.b64encode(code).decode() for name, code in entry.code.items()},
        }
        for entry in entries
    ]
    return Verdict(Status.SCORED, Metric(0.0), facts={"entries": plain})


def write(folder: Path, program_id: str, ordered: Iterable[Mapping[str, Any]]) -> list[Path]:
    """Adds the entries of an `order` to a queue, as those of a program, and returns their files."""
    entries = []
    for each in ordered:
        code = {name: base64.b64decode(text) for name, text in each["code"].items()}
        entry = queue.Entry.from_json({**each["entry"], "program": program_id, "id": program_id}, code)
        entries.append(replace(entry, id=name_of(entry)))
    return queue.write(folder, entries)


def name_of(entry: queue.Entry) -> str:
    """The id of an entry: its program, and a digest of all that decides what is measured."""
    plain = entry.to_json()
    for name in ("id", "note", "versions"):
        del plain[name]
    return f"{entry.program}-{queue.digest(json.dumps(plain, sort_keys=True).encode())[:16]}"


def _foreign(folder: Path, result: Result) -> str:
    """Why a result is not one of this queue's, or nothing."""
    try:
        entry = queue.read_one(folder, result.id)
    except FileNotFoundError:
        return f"the run's gpu-queue has no entry {result.id}"
    except ValueError as error:
        return str(error)
    if name_of(entry) != entry.id:
        return "the entry's launches or binaries are not those that the run queued: write the queue again"
    return "" if entry.program == result.program else f"the entry is of program {entry.program}"


def _row(machine: Machine, result: Result, digest: str) -> Measurement:
    """The result as an archive keeps it."""
    timings = list(result.timings.values())
    baseline = _baseline(timings)
    ratios = [timing.ratios[baseline] for timing in timings] if baseline else []
    theirs = fsum(timing.baselines[baseline].median for timing in timings) if baseline else None
    seconds = result.seconds
    return Measurement(
        program_id=result.program,
        entry=result.id,
        device=machine.device,
        verdict=result.verdict,
        digest=digest,
        seconds=seconds,
        least=None if seconds is None else fsum(timing.roofline_seconds for timing in timings),
        baseline=baseline,
        ratio=theirs / seconds if theirs and seconds else None,
        low=min((one.low for one in ratios), default=None),  # a sum's ratio lies between those of its parts
        high=max((one.high for one in ratios), default=None),
        reason=result.reason,
        versions=machine.versions,
        facts={"timings": asdict(result)["timings"], "machine": asdict(machine)},
    )


def _baseline(timings: Sequence[Timing]) -> str:
    return next((name for name in BASELINES if timings and all(name in one.ratios for one in timings)), "")
