"""Whatever becomes of the supervisor, nothing that it started stays."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recevolve.evaluators.sandbox import Sandbox, SandboxUnavailable

RUNNERS = "recevolve.evaluators.sandbox.runners"
SUPERVISOR = """
import sys
from recevolve.evaluators.sandbox import Limits, Sandbox
runners = "recevolve.evaluators.sandbox.runners"
with Sandbox([runners], tier=int(sys.argv[1])) as sandbox:
    shared = {"p": ("<f4", (3,))}
    session = sandbox.session(
        f"{runners}:step", "def f(n, p): pass", parameters={"function": "f"}, shared=shared
    )
    session.step(1)
    print("at work", flush=True)
    sandbox.run(f"{runners}:call", sys.argv[2], limits=Limits(cpu_seconds=60))
"""


def descendants(process: int) -> set[int]:
    """The process and all that it started, and they started, by number."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@contextlib.contextmanager
def watched(processes: set[int]) -> Iterator[None]:
    """Fails unless each of the processes has ended within a minute of the block's end."""
    descriptors = []
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            descriptors.append(os.pidfd_open(process))
    try:
        yield
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 60)[0], "a process was left behind"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def supervisor(tier: int, candidate: str) -> subprocess.Popen[str]:
    try:
        Sandbox([RUNNERS], tier=tier).close()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    command = [sys.executable, "-c", SUPERVISOR, str(tier), candidate]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("tier", [1, 2])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_supervisor_that_is_killed_leaves_nothing(tier: int, end: signal.Signals) -> None:
    candidate = "import time\ntime.sleep(600)" if end == signal.SIGTERM else "while True: pass"
    with supervisor(tier, candidate) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        family = descendants(process.pid)
        assert len(family) >= 3
        with watched(family):
            process.send_signal(end)
            process.wait(60)
    assert process.returncode != 0


@pytest.mark.parametrize("tier", [1, 2])
def test_closing_leaves_nothing(tier: int) -> None:
    try:
        sandbox = Sandbox([RUNNERS], tier=tier)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with watched(descendants(sandbox.process)):
        sandbox.close()
