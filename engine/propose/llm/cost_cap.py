"""Cost cap: what models may cost. Reserve before a call, charge after it, never beyond a cap."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ....population.archive.schema import Clock
from ....population.archive.spending import Bill, Spending
from ....population.values.origin import NOTHING, Spend
from ...config import config
from ...config.config import ConfigError
from ...config.proposers import Model
from .prices import Price, price_of

PriceOf = Callable[[Model], Price | None]


class Capped(Exception):
    """A cap leaves no room for the call; the message names it and says what is spent."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room for one call: what it may cost at the most. `number` is its note in the archive."""

    number: int
    model: str
    day: str
    dollars: float
    tokens: int


def check(models: Sequence[Model], budget: config.Budget, price: PriceOf = price_of) -> None:
    """Raises ConfigError where these models may not be asked under this budget; says what to set."""
    wrong = []
    for model in models:
        cost = price(model)
        if cost is None and budget.tokens is None and model.tokens is None:
            wrong.append(
                f"propose.models: the price of {model.name} is unknown, so dollars cannot bound it. Give it "
                "input_price and output_price (US dollars per million tokens; 0 where it is free), or cap it "
                "by tokens: budget.tokens, or `tokens` of the model."
            )
        elif cost is not None and not cost.free and budget.dollars == 0:
            wrong.append(
                f"budget.dollars is 0, but {model.name} costs money. Set budget.dollars to what the run may "
                "cost, or ask a model on this machine (such as ollama_chat/...), which costs nothing."
            )
    if wrong:
        raise ConfigError("\n".join(wrong))


class _Used(NamedTuple):
    """What is spent or reserved of what caps bound."""

    dollars: float
    tokens: int
    calls: int


class CostCap:
    """The caps of a run on dollars, tokens and calls. One event loop, one thread.

    Bills come from the archive at the start and are kept in memory from then on. Calls without an answer
    count with what they may have cost at the most, also those that were killed in an earlier session.
    """

    def __init__(
        self,
        spending: Spending,
        budget: config.Budget,
        *,
        price: PriceOf = price_of,
        clock: Clock = time.time,
    ) -> None:
        self.spending = spending
        """The archive's side of it."""
        self.bills = spending.bills()
        """What each model cost on each UTC day, over all sessions; calls in flight are left out."""
        self._budget = budget
        self._price = price
        self._prices: dict[str, Price | None] = {}
        self._clock = clock
        self._held: dict[int, Reservation] = {}
        self._moved = asyncio.Event()
        self._reached: str | None = None

    def price(self, model: Model) -> Price | None:
        """The model's price, looked up once."""
        if model.name not in self._prices:
            self._prices[model.name] = self._price(model)
        return self._prices[model.name]

    def total(self) -> Spend:
        """What all models have cost so far, over all sessions; calls in flight are left out."""
        return sum((bill.spend for bill in self.bills.values()), NOTHING)

    def exhausted(self) -> str | None:
        """Why the run may ask no more models, or None: a cap of the run is reached or was in a call's way."""
        budget, run = self._budget, self._used()
        if self._reached or self._held:
            return self._reached
        if budget.dollars and run.dollars >= budget.dollars:
            return f"dollars: {run.dollars:.4f} of {budget.dollars:g} used"
        if budget.tokens is not None and run.tokens >= budget.tokens:
            return f"tokens: {run.tokens:,} of {budget.tokens:,} used"
        if budget.calls is not None and run.calls >= budget.calls:
            return f"calls: {run.calls:,} of {budget.calls:,} made"
        return None

    async def reserve(self, model: Model, tokens_in: int) -> Reservation:
        """Room for a call with a prompt of about `tokens_in` tokens; on the disk when it returns.

        Waits while calls in flight hold the room that it needs. Capped where there is none without them.
        """
        price = self.price(model)
        tokens = tokens_in + model.max_tokens
        dollars = price.most(tokens_in, model.max_tokens) if price else 0.0
        while obstacle := self._obstacle(model, day := self._today(), dollars, tokens):
            what, run_wide = obstacle
            if not self._held:
                if run_wide:
                    self._reached = what
                raise Capped(what)
            self._moved.clear()
            await self._moved.wait()
        number = self.spending.reserve(model.name, dollars, tokens)
        self._held[number] = Reservation(number, model.name, day, dollars, tokens)
        return self._held[number]

    def charge(self, reservation: Reservation, bill: Bill) -> None:
        """Takes what the call came to in place of what was reserved. Its note stays until `strike`."""
        del self._held[reservation.number]
        key = reservation.model, reservation.day
        self.bills[key] = self.bills.get(key, Bill()) + bill
        self._moved.set()

    def strike(self, reservations: Iterable[Reservation]) -> None:
        """Strikes the notes of calls whose bills are recorded, or which cost nothing."""
        self.spending.settle(one.number for one in reservations)

    def _used(self, model: str = "", day: str = "") -> _Used:
        """What is spent or reserved: all of it, or that of one model, or of one day."""
        bills = [
            bill for (name, when), bill in self.bills.items() if model in ("", name) and day in ("", when)
        ]
        held = [one for one in self._held.values() if model in ("", one.model) and day in ("", one.day)]
        whole = sum(bills, Bill())
        return _Used(
            whole.spend.dollars + whole.risked + sum(one.dollars for one in held),
            whole.spend.tokens + whole.spend.unanswered + sum(one.tokens for one in held),
            whole.spend.calls + len(held),
        )

    def _obstacle(self, model: Model, day: str, dollars: float, tokens: int) -> tuple[str, bool] | None:
        """What is in the way of a call of that size, and whether that is a cap of the whole run."""
        budget, run, own = self._budget, self._used(), self._used(model=model.name)
        caps = (
            ("budget.dollars", run.dollars, budget.dollars, dollars, True),
            ("budget.tokens", run.tokens, budget.tokens, tokens, True),
            ("budget.calls", run.calls, budget.calls, 1, True),
            ("budget.dollars_per_day", self._used(day=day).dollars, budget.dollars_per_day, dollars, False),
            (f"dollars of {model.name}", own.dollars, model.dollars, dollars, False),
            (f"tokens of {model.name}", own.tokens, model.tokens, tokens, False),
        )
        for cap, used, limit, needed, run_wide in caps:
            if limit is not None and needed and used + needed > limit:
                return f"{cap}: {used:.6g} of {limit:.6g} used, and a call may take {needed:.6g}", run_wide
        return None

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
