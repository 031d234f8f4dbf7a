"""Circuit breaker: the queue of calls to one model, how long answers take, and whether to ask it at all."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np

SAMPLES, ENOUGH = 32, 8
"""Answers whose times are remembered, and how many it takes to judge others by them."""
LATE, LOST = 1.25, 3.0
"""Times the usual after which a call is late (its place in the queue goes on) and lost (asked again)."""
LEAST_LATE, LEAST_LOST = 0.25, 4.0
"""Seconds beyond the usual that both take at the least: a hiccup of this machine is no hang."""
STRIKES = 4
"""Failures running after which a model is left alone for a while."""
COOLDOWN, LONGEST_COOLDOWN = 20.0, 300.0
"""Seconds of the first while, doubled each time that a probe fails, and of the longest."""


class CircuitBreaker:
    """One model's calls, first come first served; after failures in a row it is left alone for a while.

    Times are seconds of the clock given.
    """

    def __init__(self, permits: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(permits)
        self._parked = 0
        self._most_parked = math.ceil(permits / 2)
        self._times: deque[float] = deque(maxlen=SAMPLES)
        self._lost = 0
        self._strikes = 0
        self._cool_until: float | None = None
        self._rests = 0
        self._probing = False
        self.quiet_until = -math.inf
        """When the server wants to hear from us again."""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Callable[[], None]]:
        """A place among the calls in flight, once it is our turn, and what parks it.

        Parked, it lets the next call begin while its own lasts, as long as not too many are parked.
        """
        await self._places.acquire()
        parked = False

        def park() -> None:
            nonlocal parked
            if not parked and self._parked < self._most_parked:
                parked = True
                self._parked += 1
                self._places.release()

        try:
            yield park
        finally:
            if parked:
                self._parked -= 1
            else:
                self._places.release()

    def patience(self, tries: int) -> tuple[float, float] | None:
        """(seconds until a call is late, seconds until it is lost), or None before enough answers came.

        Both grow with the calls lost since the last answer and with the tries of this very request, so that a
        model that has become slow, or an answer that is long, gets its time in the end.
        """
        if len(self._times) < ENOUGH:
            return None
        usual, long = np.quantile(self._times, (0.9, 0.95), method="inverted_cdf").tolist()
        factor = 2.0 ** min(tries + self._lost // (2 * self._most_parked), 10)
        late = max(LATE * usual, usual + LEAST_LATE)
        return late * factor, max(LOST * long, long + LEAST_LOST) * factor

    def answered(self, seconds: float) -> None:
        """An answer came after so many seconds."""
        self._times.append(seconds)
        self._lost = 0
        self.well()

    def well(self) -> None:
        """The server works, though it gave no answer to this."""
        self._strikes = self._rests = 0
        self._cool_until = None
        self._probing = False

    def lost(self) -> None:
        """A call was given up because it took too long."""
        self._lost += 1

    def failed(self) -> None:
        """The server failed, once more."""
        self._strikes += 1
        if self._probing or (self._strikes >= STRIKES and self._cool_until is None):
            rest = min(COOLDOWN * 2**self._rests, LONGEST_COOLDOWN)
            self._rests += 1
            self._cool_until = self._clock() + rest
        self._probing = False

    def abandoned(self) -> None:
        """The call ended before it showed anything; a probe is free for the next to try."""
        self._probing = False

    @property
    def down(self) -> bool:
        """Whether the model is being left alone, its probe included."""
        return self._cool_until is not None

    def admits(self) -> bool:
        """Whether to ask at all now: yes but for a model left alone, which gets one probe when time is up."""
        if self._cool_until is None:
            return True
        if self._probing or self._clock() < self._cool_until:
            return False
        self._probing = True
        return True
