"""Client: a prompt in, a typed answer out, recorded before anyone uses it; one retry layer, one deadline."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ....population.archive.ledger import Ledger
from ....population.archive.spending import Bill
from ....population.values.origin import NOTHING, Spend
from ...config.proposers import Model
from .circuit_breaker import CircuitBreaker
from .cost_cap import Capped, CostCap, Reservation
from .endpoint import Endpoint, Message, Outcome, Reply
from .keys import Keys
from .litellm_loader import close, load

Complete: TypeAlias = Callable[[Model, Sequence[Message], str], Coroutine[Any, Any, Reply]]
"""(model, messages, grammar) -> its reply: where the outside world begins."""

TRIES = 4
"""Calls to one model for one answer, before the next model is asked."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between the first two tries, doubled from one to the next, and at the most."""
ARRIVING, GRACE = 0.05, 0.5
"""Seconds that an answer has to be read before its call is cancelled, and a cancelled call has to go."""
LOOK = 1.0
"""Seconds after which a call is looked at again: what others take says by then whether it is late."""
PASSED_ON = (Outcome.UNAVAILABLE, Outcome.TIMED_OUT, Outcome.CAPPED, Outcome.REJECTED)
"""Ends of one model's tries after which the next model is asked."""
CHARACTERS_PER_TOKEN = 3.0
"""Fewer than in any common tokenizer's count of programs, so that a reservation is seldom too small."""


def estimate(messages: Sequence[Message]) -> int:
    """Tokens of the messages, rather too many than too few."""
    return sum(math.ceil(len(one["content"]) / CHARACTERS_PER_TOKEN) + 8 for one in messages)


@dataclass(frozen=True)
class Ask:
    """One question to a model. `sample` tells equal ones apart, as in "island/generation/slot/turn".

    `grammar` (GBNF) is sent to those models whose server takes it.
    """

    model: str
    messages: tuple[Message, ...]
    sample: str
    grammar: str = ""


@dataclass(frozen=True)
class Answer:
    """What asking came to. `model` is who answered, which may be a fallback of the model asked.

    `reason` says why there is no answer. `spend` is that of all calls it took.
    """

    outcome: Outcome
    text: str
    reason: str
    model: str
    spend: Spend = NOTHING


@dataclass
class _Case:
    """One ask on its way: what it has cost, and its final reply once there is one."""

    ask: Ask
    until: float
    tokens_in: int
    tries: int = 0
    bills: dict[str, Bill] = field(default_factory=dict)
    charged: list[Reservation] = field(default_factory=list)
    final: Reply | None = None
    by: str = ""


class Models:
    """All models of a run, asked through the ledger. One event loop; end with `close`.

    `clock` gives seconds that only ever grow; deadlines are values of it. `say` hears once when no model
    works any more, and once when one does again. `rng` spreads pauses. `complete` stands for the world.
    """

    def __init__(
        self,
        models: Sequence[Model],
        ledger: Ledger,
        cost_cap: CostCap,
        keys: Keys,
        *,
        deadline: float = 300.0,
        say: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
        rng: np.random.Generator | None = None,
        complete: Complete | None = None,
    ) -> None:
        known = cost_cap.spending.dropped()
        self._models = tuple(models)
        self._ledger = ledger
        self._cost_cap = cost_cap
        self._keys = keys
        self._deadline = deadline
        self._say = say
        self._clock = clock
        self._rng = rng or np.random.Generator(np.random.Philox(0))
        self._endpoints = {
            one.name: Endpoint(one, keys, known.get(one.name, ()), price=cost_cap.price) for one in models
        }
        self._breakers = {one.name: CircuitBreaker(one.concurrency, clock) for one in models}
        self._complete = complete or self._through_litellm
        self._outside = complete is None
        self._quiet = False
        self._strays: set[asyncio.Task[Reply]] = set()

    async def ask(self, ask: Ask, *, until: float | None = None) -> Answer:
        """The answer, from the record where it holds one. Returns by `until` and never raises for a model.

        `until` is a value of the clock; none: `deadline` seconds from now. A failure is recorded like an
        answer, so that a replay takes the same way. NotRecorded in a replay that asks anything else.
        """
        model = next(one for one in self._models if one.name == ask.model)
        messages = tuple({**one, "content": self._keys.redact(one["content"])} for one in ask.messages)
        key: dict[str, Any] = {
            "stage": "model",
            "model": ask.model,
            "parameters": model.asked(),
            "messages": messages,
            "grammar": ask.grammar,
            "sample": ask.sample,
        }
        end = self._clock() + self._deadline if until is None else until
        case = _Case(Ask(ask.model, messages, ask.sample, ask.grammar), end, estimate(messages))
        record = await self._ledger.recall_or(key, partial(self._pay, key, case))
        outcome, spend = Outcome(record["outcome"]), Spend(**record["spend"])
        return Answer(outcome, record["text"], record["reason"], record["model"], spend)

    async def close(self) -> None:
        """Ends what is still open: calls that would not be cancelled, and the connections."""
        for task in self._strays:
            task.cancel()
        await asyncio.gather(*self._strays, return_exceptions=True)
        if self._outside:
            await close()

    async def _through_litellm(self, model: Model, messages: Sequence[Message], grammar: str) -> Reply:
        return await self._endpoints[model.name].complete(messages, grammar)

    async def _pay(self, key: Mapping[str, Any], case: _Case) -> Mapping[str, Any]:
        """The record of the answer, committed; also where whoever asked is gone but the answer has come."""
        begin = self._clock()
        try:
            async with asyncio.timeout(case.until - begin):
                reply = await self._try_all(case)
        except TimeoutError:
            reply = case.final or Reply(
                Outcome.TIMED_OUT, reason=f"no answer by the deadline, after {case.tries} calls"
            )
        except asyncio.CancelledError:
            if case.final is not None:
                self._commit(key, case, case.final, begin)
            raise
        return self._commit(key, case, reply, begin)

    def _commit(self, key: Mapping[str, Any], case: _Case, reply: Reply, begin: float) -> Mapping[str, Any]:
        spend = sum((bill.spend for bill in case.bills.values()), NOTHING)
        record = {
            "outcome": str(reply.outcome),
            "text": self._keys.redact(_sound(reply.text)),
            "reason": self._keys.redact(_sound(reply.reason)),
            "model": case.by or case.ask.model,
            "spend": spend.to_json(),
            "bills": {model: bill.to_json() for model, bill in case.bills.items()},
            "dropped": list(reply.dropped),
            **({"estimated": True} if reply.estimated else {}),
            "timings": {"seconds": self._clock() - begin, "tries": case.tries},
        }
        recorded = self._ledger.record(key, record)
        if case.charged:
            self._cost_cap.strike(case.charged)
        return recorded

    async def _try_all(self, case: _Case) -> Reply:
        """The first final reply of the model asked and of those after it in the config."""
        if self._outside:
            await asyncio.to_thread(load)  # takes seconds the first time, in which islands go on
        names = [model.name for model in self._models]
        last = Reply(Outcome.UNAVAILABLE, reason="every model failed lately and is left alone for a while")
        for model in self._models[names.index(case.ask.model) :]:
            reply = await self._try(case, model)
            if reply is not None and reply.outcome not in PASSED_ON:
                return reply
            last = reply or last
        return last

    async def _try(self, case: _Case, model: Model) -> Reply | None:
        """The model's reply after as many tries as that takes, or None where it is left alone."""
        breaker, reply = self._breakers[model.name], None
        async with breaker.place() as park:
            for number in range(TRIES):
                wait = breaker.quiet_until - self._clock()
                if self._clock() + wait >= case.until:
                    return reply or Reply(Outcome.UNAVAILABLE, reason="asked to wait beyond the deadline")
                if wait > 0:
                    await asyncio.sleep(wait)
                if not breaker.admits():
                    return reply
                try:
                    reservation = await self._cost_cap.reserve(model, case.tokens_in)
                except asyncio.CancelledError:
                    breaker.abandoned()
                    raise
                except Capped as cap:
                    breaker.abandoned()
                    return Reply(Outcome.CAPPED, reason=str(cap))
                reply = await self._call(case, model, number, reservation, park)
                if not reply.retry:
                    return reply
                if reply.after is not None:
                    breaker.quiet_until = max(breaker.quiet_until, self._clock() + reply.after)
                elif number + 1 < TRIES:
                    pause = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
                    await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))
        return reply

    async def _call(
        self, case: _Case, model: Model, number: int, reservation: Reservation, park: Callable[[], None]
    ) -> Reply:
        """One call to its end, which is booked however it comes; parked when late, cancelled when lost."""
        begin, breaker = self._clock(), self._breakers[model.name]
        case.tries += 1
        call = asyncio.create_task(self._complete(model, case.ask.messages, case.ask.grammar))
        try:
            while not call.done():
                passed = self._clock() - begin
                late, lost = breaker.patience(number) or (math.inf, (case.until - begin) / 2)
                if passed >= lost:
                    breaker.lost()
                    break
                if passed >= late:
                    park()
                to_go = (late if passed < late else lost) - passed
                await asyncio.wait({call}, timeout=min(to_go, LOOK))
            await self._stop(call)
        except asyncio.CancelledError:
            await self._stop(call)
            self._book(case, reservation, call, begin, cut_off=True)
            raise
        return self._book(case, reservation, call, begin, cut_off=False)

    async def _stop(self, call: asyncio.Task[Reply]) -> None:
        """Cancels the call and gives it a moment to go."""
        # an answer whose last bytes are here but not yet read is paid for
        await asyncio.wait({call}, timeout=ARRIVING)
        if call.done():
            return
        call.cancel()
        await asyncio.wait({call}, timeout=GRACE)
        if not call.done():
            self._strays.add(call)
            call.add_done_callback(self._strays.discard)

    def _book(
        self, case: _Case, reservation: Reservation, call: asyncio.Task[Reply], begin: float, cut_off: bool
    ) -> Reply:
        """The call's reply, after cost cap and circuit breaker have heard of it."""
        model, seconds = reservation.model, self._clock() - begin
        breaker = self._breakers[model]
        if call.done() and not call.cancelled():
            reply = call.result()
        else:
            why = f"no answer within {seconds:.1f} s"
            reply = Reply(Outcome.TIMED_OUT, reason=why, retry=True, risked=True)
        bill = Bill(reply.spend)
        if reply.risked:
            bill = Bill(Spend(unanswered=reservation.tokens), reservation.dollars)
        self._cost_cap.charge(reservation, bill)
        if bill == Bill():
            self._cost_cap.strike([reservation])
        else:
            case.bills[model] = case.bills.get(model, Bill()) + bill
            case.charged.append(reservation)
        if reply.outcome is Outcome.TIMED_OUT and cut_off:
            breaker.abandoned()
        elif reply.broken or reply.outcome is Outcome.TIMED_OUT:
            breaker.failed()
        elif reply.spend.calls:
            breaker.answered(seconds)
        else:
            breaker.well()
        self._tell()
        if reply.spend.calls:
            case.final = reply
        if not reply.retry:
            case.by = model
        return reply

    def _tell(self) -> None:
        """Says when the last model went down, and when the first came back."""
        down = all(one.down for one in self._breakers.values())
        if down and not self._quiet:
            self._say("no model works: the other proposers go on without, and models are tried now and then")
        if self._quiet and not down:
            self._say("a model works again")
        self._quiet = down


def _sound(text: str) -> str:
    """The text without what no file can hold as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
