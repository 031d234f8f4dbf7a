"""What isolation costs: CPU and wall time per trivial candidate, zygote against a process for each.

    python tests/bench/bench_sandbox.py [candidates]

CPU time is all of it: child, zygote, bubblewrap and supervisor. Medians over candidates; the ways take turns
in blocks, so that a busy spell of the machine hits all of them.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from recevolve.evaluators.sandbox import Sandbox, SharedArrays
from recevolve.evaluators.sandbox.command import Installation, bubblewrap, bubblewrap_binaries, environment

RUNNERS = "recevolve.evaluators.sandbox.runners"
NUMPY = "import numpy as np\ndef f(x): return np.tanh(x)"
TORCH = "import torch\ndef f(x): return torch.tanh(torch.from_numpy(x)).numpy()"
ALONE = f"import sys; sys.path[:] = {{path!r}}\n{NUMPY}\nsys.stdout.buffer.write(f(np.arange(4.0)).tobytes())"
BLOCKS = 5


@dataclass
class Way:
    """One way to run a candidate, and what each run took in milliseconds of CPU and of wall clock."""

    name: str
    once: Callable[[], float]
    """Runs one candidate; returns the CPU seconds that are not ours or our children's."""
    cpu: list[float] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)

    def run(self, times: int) -> None:
        for _ in range(times):
            began, used = time.perf_counter(), cpu_of_ours()
            elsewhere = self.once()
            self.elapsed.append(1e3 * (time.perf_counter() - began))
            self.cpu.append(1e3 * (cpu_of_ours() - used + elsewhere))


def cpu_of_ours() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def family(process: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(member for child in children for member in family(int(child)))]


def in_zygote(sandbox: Sandbox, source: str, arrays: SharedArrays) -> Callable[[], float]:
    members = family(sandbox.process)

    def clocks() -> float:
        return sum(time.clock_gettime(~member << 3 | 2) for member in members)

    def once() -> float:
        before = clocks()
        outcome = sandbox.run(f"{RUNNERS}:call", source, parameters={"function": "f"}, inputs=[arrays])
        assert outcome.status == "finished", outcome
        return clocks() - before + outcome.cpu_seconds

    return once


def in_a_process_each(binary: str) -> Callable[[], float]:
    installation = Installation.of(["numpy"])
    wrap = bubblewrap(binary, installation, real_user=False)
    program = ALONE.format(path=list(installation.path))
    command = [*wrap, sys.executable, "-P", "-s", "-S", "-B", "-c", program]

    def once() -> float:
        done = subprocess.run(command, env=environment(), capture_output=True, check=True)
        assert np.frombuffer(done.stdout).shape == (4,)
        return 0.0

    return once


def main() -> None:
    candidates = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with (
        SharedArrays({"x": np.arange(4.0)}) as arrays,
        Sandbox([RUNNERS]) as light,
        Sandbox(["torch", RUNNERS]) as heavy,
    ):
        alone = Way("bwrap + new process, numpy", in_a_process_each(bubblewrap_binaries()[0]))
        ways = [
            Way(f"zygote, numpy, tier {light.tier}", in_zygote(light, NUMPY, arrays)),
            Way(f"zygote, torch, tier {heavy.tier}", in_zygote(heavy, TORCH, arrays)),
            alone,
        ]
        for _ in range(BLOCKS):
            for way in ways:
                way.run(candidates // BLOCKS if way is not alone else max(2, candidates // (10 * BLOCKS)))
    table = Table("way", "runs", "CPU ms", "wall ms", "per s", "ratio")
    slow = statistics.median(alone.elapsed)
    for way in ways:
        cpu, elapsed = statistics.median(way.cpu), statistics.median(way.elapsed)
        table.add_row(
            way.name,
            str(len(way.cpu)),
            f"{cpu:.1f}",
            f"{elapsed:.1f}",
            f"{1e3 / elapsed:.0f}",
            f"{slow / elapsed:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
