"""Spending: what models cost a run, as its ledger has it, and what calls in flight may cost at the most."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..values.origin import NOTHING, Spend
from .connection import transaction
from .schema import Clock, stamp

BILLS = """
    SELECT bill.key AS model, substr(ledger.created, 1, 10) AS day,
        sum(coalesce(json_extract(bill.value, '$.calls'), 0)) AS calls,
        sum(coalesce(json_extract(bill.value, '$.tokens_in'), 0)) AS tokens_in,
        sum(coalesce(json_extract(bill.value, '$.cached'), 0)) AS cached,
        sum(coalesce(json_extract(bill.value, '$.tokens_out'), 0)) AS tokens_out,
        total(json_extract(bill.value, '$.dollars')) AS dollars,
        sum(coalesce(json_extract(bill.value, '$.unpriced'), 0)) AS unpriced,
        sum(coalesce(json_extract(bill.value, '$.unanswered'), 0)) AS unanswered,
        total(json_extract(bill.value, '$.risked')) AS risked
    FROM ledger, json_each(ledger.value, '$.bills') AS bill
    WHERE json_extract(call, '$.stage') = 'model'
    GROUP BY bill.key, day ORDER BY bill.key, day
"""
PENDING = """
    SELECT model, substr(created, 1, 10) AS day, count(*) AS calls, sum(tokens) AS tokens,
        total(dollars) AS dollars
    FROM reservations GROUP BY model, day ORDER BY model, day
"""
DROPPED = """
    SELECT DISTINCT json_extract(ledger.value, '$.model') AS model, parameter.value AS parameter
    FROM ledger, json_each(ledger.value, '$.dropped') AS parameter
    WHERE json_extract(call, '$.stage') = 'model' ORDER BY model, parameter
"""


@dataclass(frozen=True, slots=True)
class Bill:
    """What one model cost, and how many US dollars calls without an answer may have cost besides.

    `risked` goes with `spend.unanswered`, and like it is an upper bound.
    """

    spend: Spend = NOTHING
    risked: float = 0.0

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(self.spend + other.spend, self.risked + other.risked)

    def to_json(self) -> dict[str, Any]:
        """The counts that are not zero, by name."""
        return {**self.spend.to_json(), **({"risked": self.risked} if self.risked else {})}


class Spending:
    """The questions about cost, and the notes of calls in flight, over an open archive's connection.

    `reserve` and `settle` need the archive's one writer; the rest only reads.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def bills(self) -> dict[tuple[str, str], Bill]:
        """By model and UTC day (ISO 8601): everything recorded, and calls noted as being in flight.

        Where no process works on the run, the latter were killed before their answers were recorded.
        """
        bills: dict[tuple[str, str], Bill] = {}
        for model, day, *counts, risked in self._connection.execute(BILLS):
            bills[model, day] = Bill(Spend(*counts), risked)
        for model, day, _, tokens, dollars in self._connection.execute(PENDING):
            killed = Bill(Spend(unanswered=tokens), dollars)
            bills[model, day] = bills.get((model, day), Bill()) + killed
        return bills

    def by_model(self) -> dict[str, Bill]:
        """The same, all days together."""
        models: dict[str, Bill] = {}
        for (model, _), bill in self.bills().items():
            models[model] = models.get(model, Bill()) + bill
        return models

    def pending(self) -> Mapping[str, int]:
        """How many calls of each model are noted as being in flight."""
        calls: dict[str, int] = {}
        for model, _, count, *_ in self._connection.execute(PENDING):
            calls[model] = calls.get(model, 0) + count
        return calls

    def dropped(self) -> dict[str, tuple[str, ...]]:
        """The parameters that each model has refused so far."""
        models: dict[str, tuple[str, ...]] = {}
        for model, parameter in self._connection.execute(DROPPED):
            models[model] = (*models.get(model, ()), parameter)
        return models

    def reserve(self, model: str, dollars: float, tokens: int) -> int:
        """The number of a new note: a call that may cost this much at the most begins."""
        with self._note() as connection:
            cursor = connection.execute(
                "INSERT INTO reservations (model, dollars, tokens, created) VALUES (?, ?, ?, ?)",
                (model, dollars, tokens, stamp(self._clock)),
            )
        return cursor.lastrowid or 0

    def settle(self, numbers: Iterable[int]) -> None:
        """Strikes these notes: what their calls cost is recorded, or they cost nothing."""
        with self._note() as connection:
            connection.executemany("DELETE FROM reservations WHERE id = ?", [(one,) for one in numbers])

    @contextmanager
    def _note(self) -> Iterator[sqlite3.Connection]:
        """A transaction that outlives this process at once, and a failing machine from the next answer on.

        Waiting for the disk at each note would more than double what an answer costs here.
        """
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            with transaction(self._connection) as connection:
                yield connection
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")
