"""Session: a candidate stepped from outside, over shared memory. Model, data and step count stay with us."""

import mmap
import os
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from . import shared_arrays
from .flight import Event, Flight, Request
from .launch import RunningZygote, ZygoteDied
from .outcome import Outcome, SessionEnded

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]


class Session:
    """A child that sleeps until `step` wakes it. Made by `Sandbox.session`; close it, or use it in a `with`.

    `arrays` are our views on memory that the child can write to at any time. After a step copy out what you
    need, and check the copy: a late write cannot reach it.
    Both limits are for the whole session. Wall clock counts while we wait for the child.
    """

    def __init__(self, zygote: RunningZygote, request: Request, shared: Shapes) -> None:
        described, size = shared_arrays.describe((name, *shape) for name, shape in shared.items())
        descriptor = shared_arrays.sealed(max(size, 1), "shared")
        wake, self._wake = os.pipe()
        self._answer, answer = os.pipe()
        for ours in (self._wake, self._answer):
            os.set_blocking(ours, False)
        self._open = {self._wake, self._answer}
        self._outcome: Outcome | None = None
        memory = mmap.mmap(descriptor, max(size, 1))
        self.arrays: Mapping[str, np.ndarray] = MappingProxyType(shared_arrays.view(memory, described, 0))
        try:
            self._flight = Flight(zygote, request, [descriptor, wake, answer], size)
        except BaseException:
            self._close(self._wake, self._answer)
            raise
        finally:
            for ours_no_more in (descriptor, wake, answer):
                os.close(ours_no_more)

    def step(self, number: int = 0) -> None:
        """Returns when the child has done its step; SessionEnded with the outcome where it never will."""
        if self._outcome is not None:
            raise SessionEnded(self._outcome)
        message = shared_arrays.LENGTH.pack(number)
        try:
            os.write(self._wake, message)
        except BrokenPipeError:
            raise SessionEnded(self._end(self._settle())) from None
        except BlockingIOError:  # it never reads which step is asked for, and answers all the same
            raise SessionEnded(self._end("answer")) from None
        event = self._settle(self._answer)
        if event != "woken":
            raise SessionEnded(self._end(event))
        if os.read(self._answer, shared_arrays.LENGTH.size) != message:
            raise SessionEnded(self._end("answer"))
        if self._flight.cpu_used() > self._flight.limits.cpu_seconds:
            raise SessionEnded(self._end("cpu"))

    def _settle(self, wake: int | None = None) -> Event | None:
        try:
            return self._flight.wait(wake)
        except ZygoteDied:
            return None

    def _end(self, event: Event | None) -> Outcome:
        """The outcome, once; the child is dead and every descriptor closed when this returns."""
        try:
            if event is None:
                raise ZygoteDied("the sandbox's zygote died under the session")
            self._flight.kill()
            self._outcome = self._flight.outcome(event)
        except ZygoteDied as died:
            self._outcome = Outcome("stalled", text=str(died), tier=self._flight.zygote.tier)
        finally:
            self._flight.close()
            self._close(self._wake, self._answer)
        return self._outcome

    def _close(self, *descriptors: int) -> None:
        for descriptor in self._open.intersection(descriptors):
            os.close(descriptor)
        self._open.difference_update(descriptors)

    def cpu_seconds(self) -> float:
        """CPU time that the child has used so far, by the kernel's clock for it; 0 once it has ended."""
        return 0.0 if self._outcome is not None else self._flight.cpu_used()

    def close(self) -> Outcome:
        """The outcome, after the child was told that no step follows and has returned its result."""
        if self._outcome is not None:
            return self._outcome
        self._close(self._wake)
        return self._end(self._settle())

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is None:
            self.close()
        elif self._outcome is None:
            self._end("ended")
