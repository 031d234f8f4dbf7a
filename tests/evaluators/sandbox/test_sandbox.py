"""Running one candidate: what comes back, what is refused, and what happens when the machinery breaks."""

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recevolve.evaluators.sandbox import Limits, Outcome, Sandbox, SandboxUnavailable, SharedArrays

RUNNERS = "recevolve.evaluators.sandbox.runners"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([RUNNERS]) as made:
        yield made


def call(
    sandbox: Sandbox, source: str, inputs: dict[str, np.ndarray] | None = None, **more: object
) -> Outcome:
    function = {"function": "f"} if "def f(" in source else {}
    with SharedArrays(inputs or {}) as arrays:
        return sandbox.run(f"{RUNNERS}:call", source, parameters=function, inputs=[arrays], **more)


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(0, 1, 12).reshape(3, 4),
        np.arange(5, dtype=np.float32)[::2],
        np.array(-(2**62), np.int64),
        np.zeros((0, 3), np.int32),
        np.array([True, False]),
        np.array([0, 255], np.uint8),
        np.array([np.nan, np.inf, -0.0]),
        np.arange(24, dtype=np.int32).reshape(2, 3, 4).transpose(2, 0, 1),
    ],
)
def test_every_kind_of_array_goes_there_and_back(sandbox: Sandbox, array: np.ndarray) -> None:
    outcome = call(sandbox, "def f(x): return {'same': x}", {"x": array})
    assert outcome.status == "finished", outcome
    back = outcome.arrays["same"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_two_inputs_are_merged_and_a_shared_name_is_refused(sandbox: Sandbox) -> None:
    with SharedArrays({"x": np.ones(2)}) as first, SharedArrays({"y": np.full(2, 3.0)}) as second:
        parameters = {"function": "f"}
        outcome = sandbox.run(
            f"{RUNNERS}:call", "def f(x, y): return x + y", parameters=parameters, inputs=[first, second]
        )
        assert outcome.arrays["out"].tolist() == [4.0, 4.0]
        with pytest.raises(ValueError, match="own name"):
            sandbox.run(f"{RUNNERS}:call", "", inputs=[first, first])


def test_only_plain_numbers_enter_or_leave_the_sandbox() -> None:
    for array in (np.array([None]), np.array(["a"]), np.zeros(2, np.complex128), np.zeros(2, ">f8")):
        with pytest.raises(ValueError, match="dtype"):
            SharedArrays({"x": array})


def test_closed_arrays_cannot_be_sent(sandbox: Sandbox) -> None:
    arrays = SharedArrays({"x": np.ones(2)})
    arrays.close()
    arrays.close()
    with pytest.raises(ValueError, match="closed"):
        sandbox.run(f"{RUNNERS}:call", "", inputs=[arrays])


def test_an_exception_names_its_type_message_and_line(sandbox: Sandbox) -> None:
    outcome = call(sandbox, "def g(x):\n    raise ValueError('too wide')\n\ndef f():\n    return g(1)\n")
    assert outcome.status == "raised"
    assert outcome.text == "ValueError: too wide (line 2 of the candidate)"
    outcome = call(sandbox, "def f(:\n")
    assert outcome.status == "raised"
    assert "SyntaxError" in outcome.text


def test_a_null_byte_or_a_lone_surrogate_in_the_source_is_the_candidates_fault(sandbox: Sandbox) -> None:
    for source in ("x = 1\0", "x = '\ud800'", "x = " + "(" * 5000):
        assert call(sandbox, source).status == "raised"


def test_the_tail_of_the_output_comes_back_without_control_characters(sandbox: Sandbox) -> None:
    outcome = call(sandbox, "print('a' * 9000)\nprint('\\x1b[31mred\\x07')")
    assert outcome.output.endswith("a\n\\x1b[31mred\\x07\n")
    assert len(outcome.output) <= 4000


def test_every_candidate_starts_from_the_same_random_state(sandbox: Sandbox) -> None:
    source = "import random, numpy as np\ndef f(): return np.array([random.random(), np.random.rand()])"
    first, second = (call(sandbox, source).arrays["out"] for _ in range(2))
    assert first.tolist() == second.tolist()


def test_cpu_time_is_limited_in_fractions_of_a_second(sandbox: Sandbox) -> None:
    outcome = call(sandbox, "while True: pass", limits=Limits(cpu_seconds=0.2))
    assert outcome.status == "timed_out"
    assert "0.2 s of CPU time" in outcome.text
    assert outcome.cpu_seconds >= 0.2


def test_one_that_sleeps_is_run_again_and_then_called_stalled(sandbox: Sandbox) -> None:
    began = time.monotonic()
    outcome = call(sandbox, "import time\ntime.sleep(60)", limits=Limits(cpu_seconds=8, wall_seconds=0.2))
    assert outcome.status == "stalled"
    assert time.monotonic() - began >= 0.4


def test_one_that_works_and_is_late_is_timed_out_and_not_run_again(sandbox: Sandbox) -> None:
    source = "import time\nwhile time.process_time() < 60: pass"
    outcome = call(sandbox, source, limits=Limits(cpu_seconds=0.4, wall_seconds=0.3))
    assert outcome.status == "timed_out"


def test_memory_is_limited_on_top_of_what_the_zygote_holds(sandbox: Sandbox) -> None:
    source = "import numpy as np\ndef f(): return np.ones(40 << 17).sum()"
    assert call(sandbox, source, limits=Limits(memory_mb=64)).status == "finished"
    refused = call(sandbox, source, limits=Limits(memory_mb=32))
    assert refused.status == "raised"
    assert "MemoryError" in refused.text


def test_peak_memory_is_counted_above_the_zygote(sandbox: Sandbox) -> None:
    used = call(sandbox, "x = bytearray(b'1') * (100 << 20)").peak_mb
    assert 95 <= used <= 125
    assert call(sandbox, "").peak_mb <= 10


def test_inputs_are_mapped_and_do_not_count_as_the_candidates_memory(sandbox: Sandbox) -> None:
    outcome = call(sandbox, "def f(x): return x[-1]", {"x": np.ones(100 << 17)}, limits=Limits(memory_mb=16))
    assert outcome.status == "finished", outcome
    assert outcome.peak_mb <= 20


def test_a_request_that_makes_no_sense_is_refused_before_it_is_sent(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="preloaded"):
        sandbox.run("recevolve.evaluators.language.static:check", "")
    with pytest.raises(ValueError, match="module:function"):
        sandbox.run(RUNNERS, "")
    with pytest.raises(ValueError, match="JSON"):
        sandbox.run(f"{RUNNERS}:call", "", parameters={"x": np.ones(2)})
    for limits in ({"cpu_seconds": 0}, {"memory_mb": -1}, {"wall_seconds": float("nan")}, {"output_mb": 0}):
        with pytest.raises(ValueError, match=next(iter(limits))):
            Limits(**limits)


def family(process: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(member for child in children for member in family(int(child)))]


def test_a_dead_zygote_is_replaced(sandbox: Sandbox) -> None:
    for _ in range(2):
        before = sandbox.process
        members = [os.pidfd_open(member) for member in family(before)]
        os.kill(before, signal.SIGKILL)
        for member in members:
            assert select.select([member], [], [], 60)[0], "a part of the zygote outlived bubblewrap"
            os.close(member)
        assert call(sandbox, "x = 1").status == "finished"
        assert sandbox.process not in (0, before)


def test_a_zygote_that_dies_under_a_program_is_replaced_once_and_then_reported() -> None:
    with Sandbox([RUNNERS], tier=4, unsafe=True) as sandbox:
        before = sandbox.process
        murder = "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)"
        with pytest.raises(SandboxUnavailable, match="died twice"):
            call(sandbox, murder)
        assert call(sandbox, "x = 1").status == "finished"
        assert sandbox.process != before


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="no_such_module"):
        Sandbox(["no_such_module"])


def test_weak_tiers_must_be_asked_for() -> None:
    for asked in ({"tier": 3}, {"min_tier": 3}, {"tier": 2, "min_tier": 1}, {"tier": 4, "min_tier": 4}):
        with pytest.raises(ValueError, match="unsafe=True"):
            Sandbox(**asked)
    with pytest.raises(ValueError, match="one of 1, 2, 3 and 4"):
        Sandbox(tier=5)


def test_a_closed_sandbox_starts_again_when_it_is_used() -> None:
    with Sandbox([RUNNERS]) as sandbox:
        sandbox.close()
        assert sandbox.process == 0
        assert call(sandbox, "x = 1").status == "finished"


VISITOR = """
from pathlib import Path
import numpy as np
warmed = []

def warm():
    warmed.append(1)

def runner(source, parameters, arrays):
    neighbour = Path(__file__).with_name("diary.txt")
    try:
        neighbour.read_text()
        seen = 1
    except OSError:
        seen = 0
    return {"warmed": np.array(len(warmed)), "seen": np.array(seen)}
"""


@pytest.mark.parametrize("tier", [1, 2])
def test_a_runner_from_a_folder_of_the_user_is_found_and_nothing_beside_it(
    tier: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "visitor.py").write_text(VISITOR)
    (tmp_path / "diary.txt").write_text("private")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        sandbox = Sandbox(["visitor"], tier=tier)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with sandbox:
        outcome = sandbox.run("visitor:runner", "")
    assert outcome.status == "finished", outcome
    assert outcome.arrays["warmed"] == 1
    assert outcome.arrays["seen"] == 0


def test_torch_and_hypothesis_work_in_the_sandbox_and_repeat_to_the_bit() -> None:
    source = """
import torch
from hypothesis import given, settings, strategies as st

@settings(database=None, max_examples=5, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1))
def holds(numbers):
    assert torch.tensor(numbers).abs().max() <= 1

def f():
    holds()
    table = torch.nn.Embedding(50, 4)
    optimizer = torch.optim.Adam(table.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        table(torch.randint(50, (16,))).pow(2).mean().backward()
        optimizer.step()
    return table.weight.detach().numpy()
"""
    with Sandbox(["torch", "hypothesis", RUNNERS]) as sandbox:
        first, second = call(sandbox, source), call(sandbox, source)
    assert first.status == "finished", first
    assert first.arrays["out"].shape == (50, 4)
    assert first.arrays["out"].tobytes() == second.arrays["out"].tobytes()


FILES = """
import fcntl, os
import numpy as np
def f(x):
    found = []
    for descriptor in range(64):
        try:
            place, flags = os.lseek(descriptor, 0, 1), fcntl.fcntl(descriptor, 3)
        except OSError:
            place, flags = -1, -1
        found += [place, flags]
        try:
            os.lseek(descriptor, 17, 0)
        except OSError:
            pass
        try:
            fcntl.fcntl(descriptor, 4, flags | os.O_NONBLOCK | os.O_APPEND)
        except OSError:
            pass
    return np.array(found)
"""


@pytest.mark.parametrize("tier", [1, 2])
def test_no_file_carries_a_place_or_a_flag_from_one_candidate_to_the_next(tier: int) -> None:
    """The second sees what the first saw, though that one moved and marked whatever was open."""
    with Sandbox([RUNNERS], tier=tier) as sandbox, SharedArrays({"x": np.zeros(9)}) as inputs:
        first, second = (
            sandbox.run(f"{RUNNERS}:call", FILES, parameters={"function": "f"}, inputs=[inputs])
            for _ in range(2)
        )
    assert first.status == "finished", first
    np.testing.assert_array_equal(first.arrays["out"], second.arrays["out"])
