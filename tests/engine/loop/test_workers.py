"""Workers take the calls of programs that they know, and none rests while a call waits."""

import asyncio
from typing import Any

import pytest

from recevolve.engine.loop.workers import Workers


def workers(count: int) -> Workers:
    made: Any = iter(range(100))  # pools are only handed on
    return Workers(count, lambda: next(made))


async def settled(*waiting: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(one) for one in waiting]
    await asyncio.sleep(0)
    return tasks


def test_no_more_are_made_than_are_needed() -> None:
    async def scenario() -> None:
        few = workers(3)
        one = await few.take("a")
        few.give_back(one)
        assert await few.take("b") is one
        assert await few.take("c") is not one

    asyncio.run(scenario())


def test_a_program_comes_back_to_the_worker_that_knows_it() -> None:
    async def scenario() -> None:
        two = workers(2)
        a, b = await two.take("a"), await two.take("b")
        two.give_back(a)
        two.give_back(b)
        assert await two.take("b") is b
        first, second = await settled(two.take("c"), two.take("b"))
        assert first.done()  # the other worker does not rest, though it knows nothing of it
        assert not second.done()
        third = (await settled(two.take("a")))[0]
        two.give_back(a)
        await asyncio.sleep(0)
        assert third.done()  # before the call that waits longer
        assert third.result() is a
        two.give_back(b)
        assert await second is b

    asyncio.run(scenario())


def test_a_call_that_is_cancelled_loses_no_worker() -> None:
    async def scenario() -> None:
        single = workers(1)
        one = await single.take("a")
        early, late, last = await settled(*(single.take(name) for name in "bcd"))
        early.cancel()
        single.give_back(one)
        late.cancel()  # it was given the worker, and never learnt of it
        with pytest.raises(asyncio.CancelledError):
            await late
        assert await last is one

    asyncio.run(scenario())


def test_a_broken_worker_is_replaced_and_knows_nothing() -> None:
    async def scenario() -> None:
        single = workers(1)
        one = await single.take("a")
        pool = one.pool
        single.give_back(one, broken=True)
        assert (await single.take("b")).pool is not pool
        assert len(one.known) == 1

    asyncio.run(scenario())
