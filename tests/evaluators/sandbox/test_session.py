"""A candidate stepped from outside: in order, alone with its memory, and ended cleanly."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.evaluators.sandbox import Limits, Sandbox, Session, SessionEnded

RUNNERS = "recevolve.evaluators.sandbox.runners"
DOUBLE = "def f(number, p):\n    p *= 2\n    p += number\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([RUNNERS]) as made:
        yield made


def begin(sandbox: Sandbox, source: str, **more: Any) -> Session:
    shared = {"p": ("<f4", (3,))}
    return sandbox.session(f"{RUNNERS}:step", source, parameters={"function": "f"}, shared=shared, **more)


def test_each_step_sees_its_number_and_leaves_its_arrays(sandbox: Sandbox) -> None:
    with begin(sandbox, DOUBLE) as session:
        session.arrays["p"][:] = [1, 2, 3]
        session.step(10)
        assert session.arrays["p"].tolist() == [12, 14, 16]
        session.step(2**40)
        np.testing.assert_array_equal(session.arrays["p"], np.float32([24, 28, 32]) + np.float32(2**40))
        outcome = session.close()
        assert outcome.status == "finished"
        assert outcome.cpu_seconds > 0
        assert session.close() is outcome


def test_two_sessions_and_a_run_at_once_do_not_meet(sandbox: Sandbox) -> None:
    with begin(sandbox, DOUBLE) as one, begin(sandbox, DOUBLE) as other:
        one.arrays["p"][:] = 1
        other.arrays["p"][:] = 5
        one.step(0)
        assert sandbox.run(f"{RUNNERS}:call", "x = 1").status == "finished"
        other.step(0)
        one.step(0)
        assert one.arrays["p"].tolist() == [4, 4, 4]
        assert other.arrays["p"].tolist() == [10, 10, 10]


def steps_until_the_end(session: Session) -> tuple[SessionEnded, int]:
    """How the session ended, and after how many steps."""
    for number in itertools.count():
        try:
            session.step(number)
        except SessionEnded as ended:
            return ended, number
    raise AssertionError("counting has no end")


@pytest.mark.parametrize(
    ("source", "status", "text"),
    [
        ("def f(n, p):\n    if n == 2: 1 / 0\n", "raised", "ZeroDivisionError"),
        ("def f(n, p):\n    if n == 2:\n        while True: pass\n", "timed_out", "CPU time"),
        ("import time\ndef f(n, p):\n    if n == 2: time.sleep(60)\n", "stalled", "still running"),
        ("import os\ndef f(n, p):\n    if n == 2: os._exit(0)\n", "malformed", "no result"),
        ("import ctypes\ndef f(n, p):\n    if n == 2: ctypes.string_at(0)\n", "killed", "SIGSEGV"),
    ],
)
def test_a_step_that_never_comes_back_ends_the_session(
    sandbox: Sandbox, source: str, status: str, text: str
) -> None:
    backstop = 0.3 if status == "stalled" else None
    with begin(sandbox, source, limits=Limits(cpu_seconds=0.3, wall_seconds=backstop)) as session:
        session.step(1)
        with pytest.raises(SessionEnded, match=text) as ended:
            session.step(2)
        assert ended.value.outcome.status == status
        with pytest.raises(SessionEnded):
            session.step(3)
        assert session.close() is ended.value.outcome


def test_a_source_that_does_not_load_ends_at_the_first_step(sandbox: Sandbox) -> None:
    with begin(sandbox, "1 / 0") as session, pytest.raises(SessionEnded, match="line 1 of the candidate"):
        session.step(1)


def test_the_cpu_limit_is_for_all_steps_together(sandbox: Sandbox) -> None:
    busy = "    end = time.process_time() + 0.06\n    while time.process_time() < end: pass\n"
    source = f"import time\ndef f(n, p):\n{busy}"
    with begin(sandbox, source, limits=Limits(cpu_seconds=0.2)) as session:
        ended, done = steps_until_the_end(session)
        assert ended.outcome.status == "timed_out"
        assert 1 <= done <= 4


def test_answering_before_or_instead_of_the_step_that_was_asked_for_is_noticed(sandbox: Sandbox) -> None:
    source = """
import os
def f(number, p):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, (99).to_bytes(8, "little"))
        except OSError:
            pass
"""
    with begin(sandbox, source) as session:
        ended, done = steps_until_the_end(session)
    assert ended.outcome.status == "malformed"
    assert done <= 1


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails where the block does not end by itself."""

    def late(*_: object) -> None:
        raise TimeoutError(f"still waiting after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_who_answers_in_advance_and_reads_no_step_cannot_hold_us(sandbox: Sandbox) -> None:
    """It answers a hundred thousand steps beforehand and never wakes again."""
    source = """
import fcntl, os, time
def f(number, p):
    for descriptor in range(3, 64):
        try:
            reads = fcntl.fcntl(descriptor, fcntl.F_GETFL) & 3 == os.O_RDONLY
            fcntl.fcntl(descriptor, 1031, 4096 if reads else 1 << 20)
        except OSError:
            pass
    answers = b"".join(n.to_bytes(8, "little") for n in range(1, 100_000))
    for descriptor in range(3, 64):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, bytes(8) + answers)
        except OSError:
            pass
    time.sleep(1000)
"""
    session = begin(sandbox, source, limits=Limits(cpu_seconds=1, wall_seconds=2))
    with within(30), session:
        ended, _ = steps_until_the_end(session)
    assert ended.outcome.status in {"malformed", "stalled"}


def test_sleeping_a_little_in_each_step_is_no_way_around_the_deadline(sandbox: Sandbox) -> None:
    source = "import time\ndef f(n, p): time.sleep(0.2)\n"
    session = begin(sandbox, source, limits=Limits(cpu_seconds=5, wall_seconds=0.7))
    with within(30), session:
        ended, done = steps_until_the_end(session)
    assert ended.outcome.status == "stalled"
    assert 1 <= done <= 3


def test_our_own_time_between_steps_is_not_the_childs(sandbox: Sandbox) -> None:
    with begin(sandbox, DOUBLE, limits=Limits(cpu_seconds=5, wall_seconds=0.5)) as session:
        session.step(1)
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            os.sched_yield()
        session.step(2)
        assert session.close().status == "finished"


def test_a_late_write_cannot_reach_what_was_copied_out(sandbox: Sandbox) -> None:
    source = """
import signal
held = []
def late(*_):
    if held[0][1] == 1:
        held[0][:] = 666
signal.signal(signal.SIGALRM, late)
def f(number, p):
    p[:] = number
    held[:] = [p]
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
"""
    with begin(sandbox, source) as session:
        session.step(5)
        copy = session.arrays["p"].copy()
        session.arrays["p"][1] = 1
        while session.arrays["p"][0] != 666:  # the write does come, but too late to matter
            os.sched_yield()
        assert copy.tolist() == [5, 5, 5]


def test_a_session_left_by_an_exception_leaves_no_child(sandbox: Sandbox) -> None:
    source = "import time\ndef f(n, p): pass\n"
    session = begin(sandbox, source)
    with pytest.raises(RuntimeError, match="elsewhere"), session:
        raise RuntimeError("something went wrong elsewhere")
    assert session.close().status == "killed"


def test_a_session_whose_zygote_dies_says_nothing_of_the_program(sandbox: Sandbox) -> None:
    session = begin(sandbox, DOUBLE)
    session.step(1)
    os.kill(sandbox.process, signal.SIGKILL)
    ended, _ = steps_until_the_end(session)
    assert ended.outcome.status == "stalled"
    with begin(sandbox, DOUBLE) as another:
        another.step(1)


def test_descriptors_do_not_pile_up(sandbox: Sandbox) -> None:
    def once() -> int:
        with begin(sandbox, DOUBLE) as session:
            session.step(1)
        sandbox.run(f"{RUNNERS}:call", "1 / 0")
        return len(list(Path("/proc/self/fd").iterdir()))

    once()
    assert once() == once()
