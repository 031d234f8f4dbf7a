"""The law of the ledger: paid once, committed before use, and the same in the first run as in a replay."""

import asyncio
import json
import string
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.population.archive.archive import Archive
from recevolve.population.archive.ledger import Ledger, NotRecorded, apart, canonical, together

KEY = {"evaluator": "toy", "program": "abc", "rung": 1}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
answers = st.dictionaries(st.sampled_from([*string.ascii_lowercase[:5], "timings"]), json_values)


class Payer:
    """Counts how often it is paid; answers or fails when its gate opens."""

    def __init__(self, answer: dict[str, Any] | None = None, error: BaseException | None = None) -> None:
        self.paid = self.stopped = 0
        self.gate = asyncio.Event()
        self._answer = answer or {}
        self._error = error

    async def __call__(self) -> dict[str, Any]:
        self.paid += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self._error:
            raise self._error
        return self._answer


async def settled() -> None:
    """Lets every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def answering(value: dict[str, Any]) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def compute() -> dict[str, Any]:
        return value

    return compute


async def forbidden() -> dict[str, Any]:
    raise AssertionError("paid for what was recorded")


@given(answers)
def test_an_answer_is_put_together_as_it_was_taken_apart(value: dict[str, Any]) -> None:
    again = together(*apart(value))
    assert again == value
    assert json.dumps(again, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(json_values)
def test_equal_json_has_one_text_in_ascii(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text
    assert text.isascii()


def test_the_order_of_a_key_does_not_matter_and_its_types_do(archive: Archive) -> None:
    ledger = archive.ledger()
    ledger.record({"a": 1, "b": [1, 2]}, {"v": 1})
    assert ledger.recall({"b": (1, 2), "a": 1}) == {"v": 1}
    for other in ({"a": "1", "b": [1, 2]}, {"a": 1, "b": [2, 1]}, {"a": True, "b": [1, 2]}, {"a": 1}):
        assert ledger.recall(other) is None


@pytest.mark.parametrize("value", [{"score": float("nan")}, {"timings": {"cpu": float("inf")}}])
def test_what_is_no_json_is_refused_and_not_recorded(archive: Archive, value: dict[str, Any]) -> None:
    ledger = archive.ledger()
    with pytest.raises(ValueError, match="JSON"):
        ledger.record(KEY, value)
    with pytest.raises(TypeError, match="set"):
        asyncio.run(ledger.recall_or(KEY, answering({"score": {1}})))
    assert ledger.recall(KEY) is None
    assert asyncio.run(ledger.recall_or(KEY, answering({"score": 1}))) == {"score": 1}


def test_the_first_answer_stays(archive: Archive) -> None:
    ledger = archive.ledger()
    assert ledger.record(KEY, {"v": 1}, {"cpu": 0.5}) == {"v": 1, "timings": {"cpu": 0.5}}
    assert ledger.record(KEY, {"v": 2}) == {"v": 1, "timings": {"cpu": 0.5}}
    assert ledger.recall(KEY) == {"v": 1, "timings": {"cpu": 0.5}}


def test_given_timings_join_the_answers_own(archive: Archive) -> None:
    answer = archive.ledger().record(KEY, {"v": 1, "timings": {"cpu": 1.0, "wall": 2.0}}, {"cpu": 3.0})
    assert answer == {"v": 1, "timings": {"cpu": 3.0, "wall": 2.0}}


def test_the_first_run_sees_what_a_replay_sees(archive: Archive) -> None:
    first = asyncio.run(archive.ledger().recall_or(KEY, answering({"b": (1, 2), "a": {1: "x"}})))
    assert first == {"a": {"1": "x"}, "b": [1, 2]}
    replayed = asyncio.run(archive.ledger(replaying=True).recall_or(KEY, forbidden))
    assert json.dumps(replayed) == json.dumps(first), "the order of names is the same too"


def test_an_answer_is_on_the_disk_before_anyone_has_it(archive: Archive, path: Path) -> None:
    async def use() -> None:
        await archive.ledger().recall_or(KEY, answering({"v": 1}))
        with Archive.read(path) as reader:
            assert reader.ledger().recall(KEY) == {"v": 1}

    asyncio.run(use())


def test_calls_in_flight_are_shared_and_each_caller_owns_its_answer(archive: Archive) -> None:
    ledger, payer = archive.ledger(), Payer({"list": []})

    async def use() -> list[dict[str, Any]]:
        callers = [asyncio.create_task(ledger.recall_or({"k": 1, "z": z}, payer)) for z in (0, 0, 0, 1)]
        await settled()
        assert payer.paid == 2, "an equal key waits, another key does not"
        payer.gate.set()
        return await asyncio.gather(*callers)

    answers = asyncio.run(use())
    answers[0]["list"].append("mine")
    assert answers[1] == {"list": []}
    assert (ledger.misses, ledger.shared, ledger.hits) == (2, 2, 0)
    asyncio.run(ledger.recall_or({"k": 1, "z": 0}, forbidden))
    assert (ledger.misses, ledger.shared, ledger.hits) == (2, 2, 1)


def test_a_failure_reaches_all_is_not_recorded_and_can_be_tried_again(archive: Archive) -> None:
    ledger, payer = archive.ledger(), Payer(error=OSError("the GPU is gone"))

    async def use() -> None:
        callers = [asyncio.create_task(ledger.recall_or(KEY, payer)) for _ in range(3)]
        await settled()
        payer.gate.set()
        failures = await asyncio.gather(*callers, return_exceptions=True)
        assert [str(failure) for failure in failures] == ["the GPU is gone"] * 3
        assert ledger.recall(KEY) is None
        assert await ledger.recall_or(KEY, answering({"v": 1})) == {"v": 1}

    asyncio.run(use())
    assert payer.paid == 1


def test_one_cancelled_caller_does_not_take_the_answer_from_others(archive: Archive) -> None:
    ledger, payer = archive.ledger(), Payer({"v": 1})

    async def use() -> None:
        first, second = (asyncio.create_task(ledger.recall_or(KEY, payer)) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        assert first.cancelled()
        payer.gate.set()
        assert await second == {"v": 1}

    asyncio.run(use())
    assert (payer.paid, payer.stopped) == (1, 0)


def test_the_last_cancelled_caller_stops_the_computation(archive: Archive) -> None:
    ledger, payer = archive.ledger(), Payer({"v": 1})

    async def use() -> None:
        callers = [asyncio.create_task(ledger.recall_or(KEY, payer)) for _ in range(2)]
        await settled()
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        assert payer.stopped == 1, "it had ended when its callers had"
        assert await ledger.recall_or(KEY, answering({"v": 2})) == {"v": 2}

    asyncio.run(use())


def test_a_replay_pays_nothing_and_names_what_is_missing(archive: Archive) -> None:
    archive.ledger().record(KEY, {"v": 1})
    ledger = archive.ledger(replaying=True)
    assert asyncio.run(ledger.recall_or(KEY, forbidden)) == {"v": 1}
    with pytest.raises(NotRecorded, match='"program":"xyz"'):
        asyncio.run(ledger.recall_or({"program": "xyz"}, forbidden))
    assert (ledger.hits, ledger.misses) == (1, 0)


def test_a_reader_can_replay(archive: Archive, path: Path) -> None:
    archive.ledger().record(KEY, {"v": 1})
    with Archive.read(path) as reader:
        ledger = Ledger(reader.connection, replaying=True)
        assert asyncio.run(ledger.recall_or(KEY, forbidden)) == {"v": 1}
