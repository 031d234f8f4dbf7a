"""The north star on a GPU: a short-lived process of ours replays a program's launches and times them.

The candidate's own host code does not run there: what it launched was recorded, its memory is ours, and so is
the clock. Results are compared before and after timing.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...kernels.gpu_queue import queue
from ...kernels.timing.measurements import Measurements, Result
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed
from .settings import Settings

SPLITS = {"selection": 1_000, "claim": 2_000}
"""What is added to the settings' seed for each split, so that inputs and sampled programs are its own."""
DRIVER = Path("/proc/driver/nvidia/version")
"""There where a GPU of NVIDIA can be used; asking torch would load it into the engine."""
SECONDS = 900
"""Of wall clock for one entry, compilation of the baselines included."""
STATUS = {"wrong": Status.INVALID, "crashed": Status.CRASHED, "timed_out": Status.TIMED_OUT}


def measures(settings: Settings) -> bool:
    """Whether the north star is measured here. ValueError where it must be and there is no GPU."""
    if settings.target != "sm_90" or settings.north_star == "estimate":
        return False
    if settings.north_star == "measure" and not DRIVER.exists():
        raise ValueError(
            f'kernel.north_star = "measure", but this machine has no NVIDIA driver ({DRIVER}): set "auto", '
            "which ranks by estimate and leaves a gpu-queue for a machine that has one"
        )
    return DRIVER.exists()


def reason(settings: Settings) -> str:
    """What stands in for a measurement, and why, in one line; empty where it is measured."""
    if measures(settings):
        return ""
    if settings.target != "sm_90":
        return f"kernels for {settings.target} are compiled and checked; nothing about them is measured"
    why = (
        'north_star = "estimate"'
        if settings.north_star == "estimate"
        else "this machine has no NVIDIA driver"
    )
    return f"the share of the roofline is a static estimate for an {settings.device}, not measured: {why}"


def timed(estimated: Verdict, entries: Sequence[queue.Entry]) -> Verdict:
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
    command = [sys.executable, "-m", "recevolve.kernels.measure", str(folder), "--output", str(output)]
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
