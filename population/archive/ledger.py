"""Ledger: every call that costs or that chance decides, recorded before anyone uses its answer."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

from .connection import transaction
from .schema import Clock, stamp

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Key: TypeAlias = Mapping[str, JSON]
Answer: TypeAlias = dict[str, Any]

RECALL = "SELECT value, timings FROM ledger WHERE key = ?"
RECORD = """
    INSERT INTO ledger (key, call, value, timings, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""


class NotRecorded(LookupError):
    """A replay needed a call that the record does not hold."""


def canonical(value: JSON) -> str:
    """The one text for equal JSON values: sorted keys, no spaces, ASCII. ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def apart(value: Mapping[str, Any]) -> tuple[str, str]:
    """The canonical texts of `value` without its "timings", and of those timings ("" where it has none)."""
    rest = {name: part for name, part in value.items() if name != "timings"}
    return canonical(rest), canonical(value["timings"]) if "timings" in value else ""


def together(value: str, timings: str) -> Answer:
    """What `apart` took apart."""
    answer: Answer = json.loads(value)
    return answer | {"timings": json.loads(timings)} if timings else answer


@dataclass
class _Flight:
    """A call that is being computed, and how many wait for it."""

    task: asyncio.Task[tuple[str, str]]
    waiting: int = 0


class Ledger:
    """The record of calls in an open archive; one event loop, one thread.

    A key is the content of a call: equal JSON, equal call. An answer is a JSON object; its top-level
    "timings" are kept apart, so that they come back with it and are left out where archives are compared.
    What is returned has always been through JSON and the disk, so the first run sees what a replay sees.

    `hits` counts calls that the record answered, `shared` those that joined an equal call in flight, `misses`
    those that were computed, all since opening.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, replaying: bool = False, clock: Clock = time.time
    ) -> None:
        self.replaying = replaying
        self.hits = self.shared = self.misses = 0
        self._connection = connection
        self._clock = clock
        self._flights: dict[str, _Flight] = {}

    def recall(self, key: Key) -> Answer | None:
        """The recorded answer, or None. Counts nothing."""
        return self._find(_digest(canonical(key)))

    def record(self, key: Key, value: Mapping[str, Any], timings: Mapping[str, Any] | None = None) -> Answer:
        """The answer as it is now recorded, committed: the first one recorded for a key stays for good.

        `timings`, where given, join the value's own. ValueError or TypeError where it is no JSON.
        """
        if timings is not None:
            value = {**value, "timings": {**value.get("timings", {}), **timings}}
        return together(*self._store(canonical(key), value))

    async def recall_or(self, key: Key, compute: Callable[[], Awaitable[Mapping[str, Any]]]) -> Answer:
        """The recorded answer; else what `compute` gives, committed before it is returned.

        Callers with an equal key wait for the first one's computation. An exception is not recorded and
        reaches all of them. The computation is cancelled when the last caller that waits for it is. Where
        `replaying`, nothing is computed and a miss raises NotRecorded.
        """
        call = canonical(key)
        digest = _digest(call)
        if (answer := self._find(digest)) is not None:
            self.hits += 1
            return answer
        if self.replaying:
            raise NotRecorded(
                f"the record holds no answer to {call}: it was made by another configuration or version, "
                "or with other rules, edits or prompts of the kind, or the run stopped before this call."
            )
        flight = self._flights.get(digest)
        if flight is None:
            self.misses += 1
            flight = self._flights[digest] = _Flight(asyncio.create_task(self._pay(call, compute)))
        else:
            self.shared += 1
        return together(*await self._landing(digest, flight))

    async def _pay(self, call: str, compute: Callable[[], Awaitable[Mapping[str, Any]]]) -> tuple[str, str]:
        return self._store(call, await compute())

    async def _landing(self, digest: str, flight: _Flight) -> tuple[str, str]:
        """What the flight brings; the last to leave it ends it."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._flights[digest]
                if flight.task.cancel():
                    await asyncio.wait([flight.task])

    def _store(self, call: str, value: Mapping[str, Any]) -> tuple[str, str]:
        """The texts now recorded for the call, which are those of `value` unless it was recorded before."""
        digest = _digest(call)
        with transaction(self._connection) as connection:
            connection.execute(RECORD, (digest, call, *apart(value), stamp(self._clock)))
            value_text, timings_text = connection.execute(RECALL, (digest,)).fetchone()
        return value_text, timings_text

    def _find(self, digest: str) -> Answer | None:
        row = self._connection.execute(RECALL, (digest,)).fetchone()
        return together(*row) if row else None


def _digest(call: str) -> str:
    return sha256(call.encode()).hexdigest()
