"""The north star on a GPU: a short-lived process of ours replays a program's launches and times them.

The candidate's own host code does not run there: what it launched was recorded, its memory is ours, and so is
the clock. Results are compared before and after timing.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...kernels.gpu_queue import queue
from ...kernels.gpu_queue.queue import Entry, digest
from ...kernels.gpu_queue.record_entry import assembled as whole
from ...kernels.operators import Shape
from ...kernels.timing.measurements import Measurements, Result
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from . import wire
from .assembler import assembled
from .examination import run
from .gpu_queue import GpuQueue
from .inside import TARGETS
from .settings import Settings

OFFSET = 1_000
"""By how much the seeds of the splits differ, so that inputs and sampled programs are each split's own."""
SECONDS = 900
"""Of wall clock for one entry, compilation of the baselines included."""
STATUS = {"wrong": Status.INVALID, "crashed": Status.CRASHED, "timed_out": Status.TIMED_OUT}


def entries(
    source: str, settings: Settings, shapes: Sequence[Shape], limits: Limits, sandbox: Sandbox
) -> list[Entry]:
    """One entry for each shape, with binaries that were made in a sandbox.

    Raises Failed where launches alone do not make the result.
    """
    sizes = {shape.name: dict(shape.sizes) for shape in shapes}
    outcome = run("order", source, settings, limits, sandbox, "being recorded for a GPU", sizes=sizes)
    record = wire.read(outcome.arrays)
    code = {name: array.tobytes() for name, array in outcome.arrays.items() if name != wire.RECORD}
    if any(digest(text) != name for name, text in code.items()):
        raise Failed(Status.CRASHED, "it sent code whose digest is another")
    target = TARGETS[settings.target]
    try:
        made = [Entry.from_json(each) for each in record["entries"]]
        return [
            whole(replace(each, code={step.ptx: code[step.ptx] for step in each.steps}), target, assembled)
            for each in made
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Failed(Status.CRASHED, "it sent entries that cannot be read") from None


def timed(estimated: Verdict, entries: Sequence[Entry]) -> Verdict:
    """The verdict with the measured share as its score, the estimate beside it. Raises Failed."""
    named = [replace(entry, id=f"shape-{number}") for number, entry in enumerate(entries)]
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        queue.write(Path(folder), named)
        results = _measured(Path(folder), len(named))
    shares = {entry.note: _share(results.get(entry.id)) for entry in named}
    mean = sum(shares.values()) / len(shares)
    return replace(
        estimated,
        score=Metric(mean),
        metrics={"measured_share": Metric(mean), **estimated.metrics},
        facts={**estimated.facts, "measured": True, "label": "measured", "measured_shares": shares},
    )


def _measured(folder: Path, count: int) -> dict[str, Result]:
    output = folder / "results.json"
    command = GpuQueue().command(folder, output)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS * count, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise Failed(Status.TIMED_OUT, "measuring on the GPU took too long") from None
    if not output.is_file():
        raise Failed(Status.INFRASTRUCTURE, f"measuring on the GPU failed: {done.stderr.strip()[-400:]}")
    return {result.id: result for result in Measurements.load(output).results}


def _share(result: Result | None) -> float:
    if result is None:
        raise Failed(Status.INFRASTRUCTURE, "the GPU runner left out a shape")
    if result.roofline_share is None:
        status = STATUS.get(result.verdict, Status.INFRASTRUCTURE)
        raise Failed(status, f"on the GPU: {result.verdict}: {result.reason}")
    return result.roofline_share
