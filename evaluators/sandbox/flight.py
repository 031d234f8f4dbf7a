"""Flight: one request from the moment it is sent until its child is dead. Its deadlines are kept here."""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import result
from .launch import RunningZygote, ZygoteDied
from .limits import Limits
from .outcome import Outcome, Status
from .shared_arrays import sealed

Event = Literal["woken", "ended", "cpu", "deadline", "answer"]
SHORTEST_WAIT = 0.02
SECONDS_TO_FORK = 60.0
OUTPUT_TAIL = 4000


@contextlib.contextmanager
def _opened_anew(descriptors: Sequence[int]) -> Iterator[list[int]]:
    """The same files, opened once more to read: children share neither position nor flags of a file."""
    with contextlib.ExitStack() as stack:
        opened = []
        for descriptor in descriptors:
            opened.append(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC))
            stack.callback(os.close, opened[-1])
        yield opened


@dataclass(frozen=True, slots=True)
class Request:
    """What a child is asked to do."""

    body: bytes
    inputs: tuple[int, ...]
    input_bytes: int
    limits: Limits


class Flight:
    """A child at work. `wait` until it ends, `kill` it if need be, then read its `outcome`."""

    def __init__(
        self, zygote: RunningZygote, request: Request, extra: Sequence[int] = (), extra_bytes: int = 0
    ) -> None:
        self.zygote = zygote
        self.limits = request.limits
        self._size = request.limits.output_mb << 20
        self._ended: dict[str, Any] | None = None
        self._process = 0
        self._pidfd = -1
        self._waited = 0.0
        self._request = sealed(len(request.body), "request")
        os.pwrite(self._request, request.body, 0)
        self._result = sealed(self._size, "result")
        self._output = os.memfd_create("output", os.MFD_CLOEXEC)
        self._reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mapped = request.input_bytes + self._size + extra_bytes
        envelope = {
            "memory": (request.limits.memory_mb << 20) + mapped,
            "cpu": int(request.limits.cpu_seconds) + 2,
            "inputs": len(request.inputs),
        }
        self.began = time.monotonic()
        try:
            with theirs, _opened_anew(request.inputs) as inputs:
                files = [self._request, self._result, self._output, *inputs, *extra]
                zygote.send(envelope, [theirs.fileno(), *files])
            self._receive_pidfd()
        except BaseException:
            self.close()
            raise

    def _receive_pidfd(self) -> None:
        self._reply.settimeout(SECONDS_TO_FORK)
        try:
            message, descriptors, _, _ = socket.recv_fds(self._reply, 1024, 1)
        except OSError as error:
            raise ZygoteDied(f"no child came: {error}") from error
        if not message:
            raise ZygoteDied(self.zygote.complaints() or "no child came")
        self._pidfd = descriptors[0]
        self._reply.setblocking(False)

    def wait(self, wake: int | None = None) -> Event:
        """What happened first: `wake` became readable, the child ended, or a limit was passed.

        Sleeps in poll(2) in between; looks at the child's CPU time only when it could be used up. The
        deadline is for all waiting together. ZygoteDied where the answer can never come.
        """
        begun = time.monotonic()
        try:
            return self._wait(wake, begun + self.limits.deadline_seconds - self._waited)
        finally:
            self._waited += time.monotonic() - begun

    def _wait(self, wake: int | None, deadline: float) -> Event:
        poll = select.poll()
        poll.register(self._reply, select.POLLIN)
        if wake is not None:
            poll.register(wake, select.POLLIN)
        left = self.limits.cpu_seconds
        while True:
            left_to_deadline = deadline - time.monotonic()
            if left_to_deadline <= 0:
                return "deadline"
            for descriptor, what in poll.poll(1000 * min(left_to_deadline, max(left, SHORTEST_WAIT))):
                if descriptor == self._reply.fileno():
                    return self._end()
                if what & select.POLLIN:
                    return "woken"
                poll.unregister(descriptor)  # the child closed it, or is dying: its end will be told
            left = self.limits.cpu_seconds - self.cpu_used()
            if left <= 0:
                return "cpu"

    def cpu_used(self) -> float:
        """Seconds of CPU time of all the child's threads so far, by the kernel's clock for that process."""
        if not self._process:
            lines = Path(f"/proc/self/fdinfo/{self._pidfd}").read_text().splitlines()
            self._process = max(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
        if self._process <= 0:
            return 0.0
        try:
            return time.clock_gettime(~self._process << 3 | 2)  # CPUCLOCK_SCHED, time/posix-cpu-timers.c
        except OSError:  # it has ended
            return 0.0

    def kill(self) -> None:
        """Ends the child now and waits until it is gone. ZygoteDied where nobody could say so."""
        if self._ended is None:
            self._send_kill()
            poll = select.poll()
            poll.register(self._reply, select.POLLIN)
            poll.poll(1000 * SECONDS_TO_FORK)
            self._end()

    def _send_kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself in the meantime
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _end(self) -> Event:
        try:
            message = self._reply.recv(1024)
        except (BlockingIOError, ConnectionError) as error:
            raise ZygoteDied(str(error)) from error
        if not message:
            raise ZygoteDied(self.zygote.complaints() or "it closed its socket")
        self._ended = json.loads(message)
        return "ended"

    def outcome(self, event: Event) -> Outcome:
        """The Outcome, after the child is dead; `event` is why we stopped waiting."""
        if self._ended is None:
            raise ValueError("the child is still running: kill it, or wait until it has ended")
        seconds = time.monotonic() - self.began
        size = os.fstat(self._output).st_size
        printed = os.pread(self._output, OUTPUT_TAIL, max(0, size - OUTPUT_TAIL)).decode(errors="replace")
        status, text, arrays = self._judge(event, seconds)
        return Outcome(
            status,
            arrays,
            text,
            output=result.escaped(printed)[-OUTPUT_TAIL:],
            cpu_seconds=self._ended["cpu"],
            wall_seconds=seconds,
            peak_mb=max(0, self._ended["peak"] - self.zygote.ready["resident"]) >> 10,
            tier=self.zygote.tier,
        )

    def _judge(self, event: Event, seconds: float) -> tuple[Status, str, dict[str, Any]]:
        assert self._ended is not None
        code, used = os.waitstatus_to_exitcode(self._ended["status"]), self._ended["cpu"]
        if code >= 0:
            try:
                return result.read(self._result, self._size)
            except result.Malformed as error:
                return "malformed", f"it ended by itself with exit code {code}; {error}", {}
        if event == "deadline" and used < self.limits.cpu_seconds / 4:
            text = f"still running after {seconds:.1f} s, with only {used:.2f} s of CPU time used"
            return "stalled", text, {}
        if event == "deadline":
            return "timed_out", f"still running after {seconds:.1f} s", {}
        if event == "cpu" or used >= self.limits.cpu_seconds:
            return "timed_out", f"it used more than its {self.limits.cpu_seconds:g} s of CPU time", {}
        if event == "answer":
            return "malformed", "it answered another step than it was asked for", {}
        return "killed", f"killed by signal {signal.Signals(-code).name}", {}

    def close(self) -> None:
        """Gives up every descriptor. A child still running is killed first."""
        if self._pidfd >= 0:
            if self._ended is None:
                self._send_kill()
            os.close(self._pidfd)
        for descriptor in (self._request, self._result, self._output):
            os.close(descriptor)
        self._reply.close()
