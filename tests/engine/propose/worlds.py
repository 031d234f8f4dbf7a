"""A world for tests of asking: time that jumps instead of passing, and models that do as they are told."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from recevolve.engine.config.config import Budget
from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm.client import Answer, Ask, Message, Models
from recevolve.engine.propose.llm.cost_cap import CostCap
from recevolve.engine.propose.llm.endpoint import Outcome, Reply
from recevolve.engine.propose.llm.keys import Keys
from recevolve.engine.propose.llm.prices import Price
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.spending import Spending
from recevolve.population.values.origin import Spend

T = TypeVar("T")
BILL = Spend(1, 100, 0, 50)
GOOD = Reply(Outcome.ANSWERED, "an answer", spend=BILL)
BROKEN = Reply(Outcome.UNAVAILABLE, reason="it broke", retry=True, broken=True)
MESSAGES = ({"role": "user", "content": "improve this"},)
FREE = Price(0.0, 0.0, 0.0, 0.0)


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: tells its loop how long it would have waited."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout:
            self.waited += timeout
        return ready


class Jumping(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer, so that hours take no time."""

    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.waited


def jump(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, in a loop whose time jumps."""
    with asyncio.Runner(loop_factory=Jumping) as runner:
        return runner.run(main)


Doing = Callable[[int], Awaitable[Reply]]


@dataclass
class World:
    """Where models live. `does` says what the n-th call of each comes to; `calls` are (model, time) pairs."""

    does: Callable[[str, int], Reply | float | Doing]
    calls: list[tuple[str, float]] = field(default_factory=list)
    prompts: list[Sequence[Message]] = field(default_factory=list)
    open: int = 0
    most: int = 0

    async def complete(self, model: Model, messages: Sequence[Message], grammar: str) -> Reply:
        """A reply at once; or a good one after so many seconds; or what the function gives."""
        number = sum(name == model.name for name, _ in self.calls)
        self.calls.append((model.name, asyncio.get_running_loop().time()))
        self.prompts.append(messages)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            doing = self.does(model.name, number)
            if isinstance(doing, Reply):
                return doing
            if isinstance(doing, (int, float)):
                await asyncio.sleep(doing)
                return GOOD
            return await doing(number)
        finally:
            self.open -= 1


def named(*names: str, **more: Any) -> list[Model]:
    """Models of these names, eight permits each and no price."""
    return [Model(name=name, **{"max_tokens": 100, **more}) for name in names]


@contextmanager
def house(path: Path, world: World, models: Sequence[Model], **more: Any):
    """Models over an archive at the path, what they say gathered in `.said`."""
    with Archive.create_or_open(path) as archive:
        budget = more.pop("budget", Budget())
        ledger = archive.ledger(replaying=more.pop("replaying", False))
        price = more.pop("price", lambda model: FREE)
        cost_cap = CostCap(Spending(archive.connection), budget, price=price)
        keys = more.pop("keys", Keys({}, {}))
        yield House(archive, cost_cap, lambda said: Models(
            models, ledger, cost_cap, keys, say=said.append,
            clock=lambda: asyncio.get_running_loop().time(), complete=world.complete, **more,
        ))  # fmt: skip


@dataclass
class House:
    """An archive, a cost cap, and models that are made inside the running loop."""

    archive: Archive
    cost_cap: CostCap
    make: Callable[[list[str]], Models]
    said: list[str] = field(default_factory=list)
    _models: Models | None = None

    @property
    def models(self) -> Models:
        if self._models is None:
            self._models = self.make(self.said)
        return self._models

    async def ask(self, sample: str = "0/1/0/0", model: str = "a", seconds: float = 300.0) -> Answer:
        """The answer to one question, asked now."""
        now = asyncio.get_running_loop().time()
        return await self.models.ask(Ask(model, MESSAGES, sample), until=now + seconds)

    def recorded(self) -> int:
        """How many answers the archive holds."""
        return int(self.archive.connection.execute("SELECT count(*) FROM ledger").fetchone()[0])
