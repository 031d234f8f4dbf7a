"""Works off a gpu-queue on a machine with an NVIDIA GPU: `python -m recevolve.kernels.measure QUEUE`.

Needs torch with CUDA, triton and numpy, and of us this package alone: from a checkout, `PYTHONPATH=src`. Each
entry is judged in a process of its own, so that one that breaks its device ends nothing but itself. The
results file is written after each entry; run again, it goes on where it stopped.
"""

import argparse
import contextlib
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
import triton

from .gpu_queue import queue
from .gpu_queue.queue import Entry
from .json_values import from_plain
from .timing.clock import ROUNDS
from .timing.comparison import Gpu
from .timing.cuda import Driver
from .timing.cuda_graphs import Captured, copy_bandwidth
from .timing.measure_entry import measure_entry
from .timing.measurements import Machine, Measurements, Result
from .timing.sensors import Nvml

TIMEOUT = 900.0
"""Seconds for one entry; max-autotune takes most of them."""
_FINAL = ("measured", "wrong", "refused")
_NO_GPU = (
    "measuring needs an NVIDIA GPU that torch can see, and there is none here; the queue was not touched. "
    "Take the folder to a machine that has one, with torch, triton and a checkout of this project, and run "
    "PYTHONPATH=src python -m recevolve.kernels.measure QUEUE there."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all judged; 1: some entry crashed or ran out of time; 2: no GPU, or no queue."""
    parser = argparse.ArgumentParser(prog="recevolve.kernels.measure", description=__doc__)
    parser.add_argument("queue", type=Path, help="the folder that a run left")
    parser.add_argument("-o", "--output", type=Path, help="results file (default: QUEUE/results.json)")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="this entry; repeatable")
    parser.add_argument("--again", action="store_true", help="judge again what the results file already has")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each comparison (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of inputs and intervals (%(default)s)")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds an entry (%(default)s)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(_NO_GPU, file=sys.stderr)
        return 2
    try:
        entries = queue.read(options.queue)
    except (FileNotFoundError, ValueError) as trouble:
        print(trouble, file=sys.stderr)
        return 2
    if options.child:
        return _child(options, entries)
    output = options.output or options.queue / "results.json"
    measurements = work_off(
        [entry for entry in entries if entry.id in (options.only or [each.id for each in entries])],
        output,
        _machine,
        lambda entry: in_process(entry, _command(options, entry.id), options.timeout),
        again=options.again,
    )
    broken = [each for each in measurements.results if each.verdict not in _FINAL]
    print(f"{len(measurements.results)} results in {output}")
    return 1 if broken else 0


def work_off(
    entries: Sequence[Entry],
    output: Path,
    machine: Callable[[], Machine],
    judge: Callable[[Entry], Result],
    *,
    again: bool = False,
    say: Callable[[str], None] = print,
) -> Measurements:
    """All results, old and new; the file is replaced after each new one.

    An entry is done if the file has a result for its id and program, unless `again`. Raises ValueError where
    the file is from another device: results of two are not mixed.
    """
    here = machine()
    measurements = Measurements(here)
    if output.exists():
        old = Measurements.load(output)
        if (old.machine.device, old.machine.driver) != (here.device, here.driver):
            raise ValueError(
                f"{output} is from {old.machine.device} with driver {old.machine.driver}, this is "
                f"{here.device} with {here.driver}: name another file with --output"
            )
        measurements = replace(measurements, results=old.results)
    for entry in entries:
        known = {(each.id, each.program) for each in measurements.results}
        if (entry.id, entry.program) in known and not again:
            say(f"{entry.id}: done before")
            continue
        result = judge(entry)
        kept = tuple(each for each in measurements.results if each.id != entry.id)
        measurements = replace(measurements, results=(*kept, result))
        measurements.save(output)
        say(f"{entry.id}: {line(result)}")
    measurements.save(output)
    return measurements


def line(result: Result) -> str:
    """A result on one line."""
    if result.seconds is None or result.roofline_share is None:
        return f"{result.verdict}: {result.reason}"
    ratios = ", ".join(
        f"{direction} {ratio.ratio:.2f}x {name} ({ratio.verdict})"
        for direction, timing in result.timings.items()
        for name, ratio in timing.ratios.items()
    )
    return f"{result.seconds * 1e6:.1f} us, {result.roofline_share:.0%} of the roofline; {ratios}"


def in_process(entry: Entry, command: Sequence[str], timeout: float) -> Result:
    """The result that `command` writes to the file named by its last argument, which is added here.

    A process that dies without one has crashed; one that takes longer than `timeout` seconds is killed with
    everything that it started.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        process = subprocess.Popen(
            [*command, str(path)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            _, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Result(entry.id, entry.program, "timed_out", f"no answer within {timeout:g} seconds")
        if path.exists():
            return from_plain(Result, json.loads(path.read_text()))
    last = " | ".join(errors.strip().splitlines()[-3:])
    return Result(entry.id, entry.program, "crashed", f"ended with {process.returncode}: {last}"[:500])


def _command(options: argparse.Namespace, name: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "recevolve.kernels.measure", str(options.queue)),
        *("--only", name, "--rounds", str(options.rounds), "--seed", str(options.seed), "--child"),
    ]


def _child(options: argparse.Namespace, entries: Sequence[Entry]) -> int:
    """Judges one entry and writes its result."""
    (entry,) = (each for each in entries if each.id in options.only)
    result = measure_entry(entry, gpu(), options.seed, options.rounds)
    queue.write_whole(options.child, json.dumps(asdict(result)).encode())
    return 0


def gpu() -> Gpu:
    """This machine, for comparisons on its GPU."""
    nvml = _nvml()
    major, minor = torch.cuda.get_device_capability()
    return Gpu(
        name=torch.cuda.get_device_name(),
        target=f"sm_{major}{minor}",
        device=torch.device("cuda"),
        launcher=Driver(),
        bytes_per_second=copy_bandwidth(nvml),
        clock=lambda builds, cold: Captured(builds, cold, nvml),
    )


def _nvml() -> Nvml:
    return Nvml(f"GPU-{torch.cuda.get_device_properties(0).uuid}")


def _machine() -> Machine:
    nvml = _nvml()
    return Machine(
        device=torch.cuda.get_device_name(),
        capability=".".join(map(str, torch.cuda.get_device_capability())),
        driver=nvml.driver(),
        bytes_per_second=copy_bandwidth(nvml),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "triton": triton.__version__,
        },
        command=shlex.join([Path(sys.executable).name, "-m", "recevolve.kernels.measure", *sys.argv[1:]]),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    sys.exit(main())
