"""The hostile battery: every program, at every tier that claims to contain it, and a healthy one after each.

`tests/evaluators/hostile/` holds one program a file. It prints ESCAPED with whatever it got that it should
not have. Each is bounded, so that a sandbox that fails does no harm.
"""

import contextlib
import json
import os
import platform
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.evaluators.sandbox import Limits, Outcome, Sandbox, SandboxUnavailable, SharedArrays

RUNNERS = "recevolve.evaluators.sandbox.runners"
PROGRAMS = {path.stem: path for path in (Path(__file__).parent.parent / "hostile").glob("*.py")}
X = np.linspace(-2, 2, 1000)

HELD = re.compile(r"^Held at tiers 1 to (\d)\.$", re.MULTILINE)


def weakest_tier(name: str) -> int:
    """The weakest tier that claims to contain a program: its docstring says so."""
    found = HELD.search(PROGRAMS[name].read_text())
    assert found is not None, f"{name} should end its docstring with `Held at tiers 1 to N.`"
    return int(found[1])


ENDS = {
    "spin": "timed_out",
    "spin_quietly": "timed_out",
    "patch_clock": "timed_out",
    "sleep": "stalled",
    "stop_itself": "stalled",
    "segfault": "killed",
    "overflow_stack": "killed",
    "kill_itself": "killed",
    "exit_at_once": "malformed",
    "forge_shape": "malformed",
    "forge_dtype": "malformed",
    "forge_depth": "malformed",
    "forge_number": "malformed",
    "forge_garbage": "malformed",
    "system_exit": "raised",
    "huge_output": "raised",
    "object_output": "raised",
    "hostile_error": "raised",
    "broken_error": "raised",
    "odd_output": "finished",
    "forge_score": "finished",
    "write_input": "finished",
    "hunt_key": "finished",
    "memory": "finished",
    "shared_memory": "finished",
    "resize_result": "finished",
    "raise_limits": "finished",
    "flood_output": "raised",
    "print_a_score": "finished",
}
PATIENCE = {"sleep": 0.3, "stop_itself": 0.3}
X86_ONLY = {"clone_directly", "attack_kernel", "kill_others"}
CASES = [(tier, name) for tier in (1, 2, 3, 4) for name in sorted(PROGRAMS) if tier <= weakest_tier(name)]


@dataclass(frozen=True)
class Canaries:
    """Things that a program must neither find, change nor reach, and what they tell it of them."""

    folder: Path
    listeners: tuple[socket.socket, ...]
    told: dict[str, Any]

    @property
    def secret(self) -> Path:
        return self.folder / "id_rsa"

    def harmed(self) -> list[str]:
        """What a program did to them; empty where they are as they were."""
        harm = [f"a visitor at {listener.getsockname()}" for listener in self.listeners if _visited(listener)]
        if self.secret.read_text() != "secret" or self.secret.stat().st_mode & 0o777 != 0o644:
            harm.append("the secret was changed")
        if {entry.name for entry in self.folder.iterdir()} != {"id_rsa", "socket"}:
            harm.append("files were added or removed")
        planted = ("/dev/shm/recevolve_pwned", "/var/tmp/recevolve_pwned", "/tmp/recevolve_pwned", "pwned")
        harm += [f"{place} was written" for place in planted if Path(place).exists()]
        harm += [
            f"process {name} is still there" for name in _names_of_processes() if name.startswith("hostile")
        ]
        return harm


def _visited(listener: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(10)
        else:
            listener.accept()[0].close()
        return True
    return False


def _names_of_processes() -> Iterator[str]:
    for place in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            yield place.read_text()


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    folder = tmp_path_factory.mktemp("canaries")
    folder.chmod(0o777)
    (folder / "id_rsa").write_text("secret")
    (folder / "id_rsa").chmod(0o644)
    abstract = f"recevolve-canary-{os.getpid()}"
    with contextlib.ExitStack() as stack:

        def listen(family: int, address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket:
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(address)
            listener.setblocking(False)
            if kind == socket.SOCK_STREAM:
                listener.listen()
            return listener

        tcp = listen(socket.AF_INET, ("127.0.0.1", 0))
        udp = listen(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
        unix = listen(socket.AF_UNIX, str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        nameless = listen(socket.AF_UNIX, f"\0{abstract}")
        told = {
            "folder": str(folder),
            "secret": str(folder / "id_rsa"),
            "supervisor": os.getpid(),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "unix": str(folder / "socket"),
            "abstract": abstract,
        }
        yield Canaries(folder, (tcp, udp, unix, nameless), told)


@pytest.fixture(scope="module")
def sandbox_of() -> Iterator[Callable[[int], Sandbox]]:
    """The sandbox of a tier, one for all programs, so that each could harm the next."""
    made: dict[int, Sandbox] = {}

    def of(tier: int) -> Sandbox:
        if tier not in made:
            try:
                made[tier] = Sandbox([RUNNERS], tier=tier, unsafe=True)
            except SandboxUnavailable as error:
                if "can be" in str(error):  # the tier is there, and leaks
                    raise
                pytest.skip(str(error))
        return made[tier]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-planted-0123456789")
        yield of
    for sandbox in made.values():
        sandbox.close()


@pytest.fixture(scope="module")
def inputs() -> Iterator[SharedArrays]:
    with SharedArrays({"x": X}) as arrays:
        yield arrays


def run(sandbox: Sandbox, source: str, inputs: SharedArrays, limits: Limits) -> Outcome:
    function = {"function": "f"} if "def f(" in source else {}
    return sandbox.run(f"{RUNNERS}:call", source, parameters=function, inputs=[inputs], limits=limits)


def told(name: str, canaries: Canaries) -> str:
    """A program that knows of the canaries, and whose boasts get out even if it is killed right after."""
    preamble = "import functools; print = functools.partial(print, flush=True)"
    return f"{preamble}\nCANARY = {json.dumps(canaries.told)}\n{PROGRAMS[name].read_text()}"


@pytest.mark.parametrize(("tier", "name"), CASES)
def test_hostile_program_is_contained(
    tier: int, name: str, sandbox_of: Callable[[int], Sandbox], canaries: Canaries, inputs: SharedArrays
) -> None:
    if name in X86_ONLY and platform.machine() != "x86_64":
        pytest.skip("the program makes system calls by their x86_64 numbers")
    sandbox = sandbox_of(tier)
    zygote = sandbox.process
    seconds = 0.3 if ENDS.get(name) == "timed_out" else 5
    limits = Limits(cpu_seconds=seconds, memory_mb=256, output_mb=4, wall_seconds=PATIENCE.get(name))
    outcome = run(sandbox, told(name, canaries), inputs, limits)

    assert "ESCAPED" not in outcome.output + outcome.text
    assert outcome.tier == tier
    assert outcome.status == ENDS.get(name, outcome.status), outcome
    assert all(type(array) is np.ndarray for array in outcome.arrays.values())
    assert not {"score", "ok"} & set(outcome.arrays)
    assert all(c.isprintable() or c in "\n\t" for c in outcome.output + outcome.text)
    assert len(outcome.output) <= 4000
    assert len(outcome.text) <= 4000
    assert canaries.harmed() == []

    healthy = run(sandbox, "import numpy as np\ndef f(x): return np.tanh(x)", inputs, Limits())
    assert healthy.status == "finished", healthy
    np.testing.assert_array_equal(healthy.arrays["out"], np.tanh(X))
    assert sandbox.process == zygote, "the zygote did not survive the program"


def test_the_battery_is_not_empty_and_names_only_what_exists() -> None:
    assert len(PROGRAMS) >= 31
    assert set(ENDS) | set(PATIENCE) | X86_ONLY <= set(PROGRAMS)


def test_a_program_that_gets_something_is_noticed(canaries: Canaries, inputs: SharedArrays) -> None:
    """The canaries can fail: without the layers around files, reading and writing show."""
    with Sandbox([RUNNERS], tier=4, unsafe=True) as sandbox:
        spy = told("read_secrets", canaries)
        assert f"ESCAPED {canaries.secret}" in run(sandbox, spy, inputs, Limits()).output
        unix = f"import socket\nsocket.socket(socket.AF_UNIX).connect({canaries.told['unix']!r})"
        assert run(sandbox, unix, inputs, Limits()).status == "finished"
        assert any("visitor" in harm for harm in canaries.harmed())
