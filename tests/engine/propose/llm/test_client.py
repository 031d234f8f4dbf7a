"""Asking models: one retry layer, one deadline, queues, fallbacks, patience, and the record before all."""

import asyncio
from pathlib import Path

import pytest

from recevolve.engine.propose.llm.circuit_breaker import COOLDOWN, STRIKES
from recevolve.engine.propose.llm.client import ARRIVING, GRACE, TRIES, Answer, Ask, Outcome
from recevolve.engine.propose.llm.endpoint import Reply
from recevolve.engine.propose.llm.keys import Keys
from recevolve.population.archive.ledger import NotRecorded
from recevolve.population.values.origin import Spend

from ..worlds import BILL, BROKEN, GOOD, MESSAGES, House, World, house, jump, named

SLACK = ARRIVING + GRACE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        Reply(Outcome.EMPTY, reason="nothing", spend=BILL),
        Reply(Outcome.TRUNCATED, "half an ans", "cut", BILL),
        Reply(Outcome.REFUSED, reason="no", spend=BILL),
        Reply(Outcome.FILTERED, reason="filtered", spend=BILL),
        Reply(Outcome.REJECTED, reason="too long"),
    ],
    ids=lambda reply: str(reply.outcome),
)
def test_a_final_reply_is_asked_for_once_and_comes_back_typed(path: Path, reply: Reply) -> None:
    world = World(lambda model, number: reply)
    with house(path, world, named("a")) as home:
        answer = jump(home.ask())
        assert answer == Answer(reply.outcome, reply.text, reply.reason, "a", reply.spend)
        assert len(world.calls) == 1
        assert home.cost_cap.spending.pending() == {}


def test_a_fault_is_tried_again_and_then_called_unavailable(path: Path) -> None:
    world = World(lambda model, number: BROKEN)
    with house(path, world, named("a")) as home:
        answer = jump(home.ask())
        assert (answer.outcome, answer.reason, answer.spend) == (Outcome.UNAVAILABLE, "it broke", Spend())
        assert len(world.calls) == TRIES
        pauses = [
            after - before for (_, before), (_, after) in zip(world.calls, world.calls[1:], strict=False)
        ]
        assert pauses == sorted(pauses)
        assert pauses[0] > 0


def test_a_fault_that_passes_costs_only_the_answer(path: Path) -> None:
    with house(path, World(lambda model, number: BROKEN if number < 2 else GOOD), named("a")) as home:
        answer = jump(home.ask())
        assert (answer.outcome, answer.spend) == (Outcome.ANSWERED, BILL)


async def stubborn(number: int) -> Reply:
    """A call that does not let itself be cancelled."""
    try:
        await asyncio.sleep(1e6)
    except asyncio.CancelledError:
        await asyncio.sleep(50)
    return GOOD


@pytest.mark.parametrize("doing", [1e6, stubborn, BROKEN], ids=["hang", "stubborn", "broken"])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 7.0, -1.0])
def test_no_answer_outlives_its_deadline(path: Path, doing: object, seconds: float) -> None:
    world = World(lambda model, number: doing)  # type: ignore[arg-type,return-value]

    async def main(home: House) -> tuple[Answer, float]:
        begin = now()
        answer = await home.ask(seconds=seconds)
        late = now() - begin - max(seconds, 0.0)
        await home.models.close()
        return answer, late

    with house(path, world, named("a", "b")) as home:
        answer, late = jump(main(home))
        assert late <= SLACK
        assert answer.outcome in (Outcome.TIMED_OUT, Outcome.UNAVAILABLE)
        assert home.recorded() == 1


def test_a_hundred_askers_in_one_queue_all_keep_their_deadline(path: Path) -> None:
    async def main(home: House) -> tuple[list[Answer], float]:
        answers = await asyncio.gather(*(home.ask(str(number), seconds=30.0) for number in range(100)))
        return answers, now()

    with house(path, World(lambda model, number: 4.0), named("a", concurrency=2)) as home:
        answers, end = jump(main(home))
        assert end <= 30 + SLACK
        outcomes = [answer.outcome for answer in answers]
        assert outcomes.count(Outcome.ANSWERED) == 14
        assert outcomes[:14] == [Outcome.ANSWERED] * 14, "first come, first served"
        assert set(outcomes[14:]) == {Outcome.TIMED_OUT}


def test_calls_in_flight_never_exceed_the_permits(path: Path) -> None:
    async def main(home: House) -> None:
        await asyncio.gather(*(home.ask(str(number)) for number in range(40)))

    world = World(lambda model, number: 1.0)
    with house(path, world, named("a", concurrency=5)) as home:
        jump(main(home))
        assert world.most == 5
        assert home.models is not None


def test_retry_after_is_honoured_by_everyone_who_waits(path: Path) -> None:
    busy = Reply(Outcome.UNAVAILABLE, reason="slow down", retry=True, after=20.0)

    async def main(home: House) -> None:
        first = asyncio.create_task(home.ask("0"))
        await asyncio.sleep(1)
        await asyncio.gather(first, home.ask("1"), home.ask("2"))

    world = World(lambda model, number: busy if number == 0 else GOOD)
    with house(path, world, named("a")) as home:
        jump(main(home))
        times = [time for _, time in world.calls]
        assert times[0] == 0
        assert min(times[1:]) >= 20


def test_a_server_that_asks_to_wait_beyond_the_deadline_is_not_waited_for(path: Path) -> None:
    busy = Reply(Outcome.UNAVAILABLE, reason="slow down", retry=True, after=3600.0)

    async def main(home: House) -> tuple[Answer, float]:
        return await home.ask(), now()

    with house(path, World(lambda model, number: busy), named("a")) as home:
        answer, end = jump(main(home))
        assert (answer.outcome, answer.reason) == (Outcome.UNAVAILABLE, "slow down")
        assert end < 1


def test_fallbacks_are_those_after_the_model_in_the_config_and_the_record_says_who_answered(
    path: Path,
) -> None:
    world = World(lambda model, number: GOOD if model == "d" else BROKEN)
    with house(path, world, named("a", "b", "c", "d")) as home:
        answer = jump(home.ask(model="b"))
        assert (answer.outcome, answer.model) == (Outcome.ANSWERED, "d")
        assert [name for name, _ in world.calls] == ["b"] * TRIES + ["c"] * TRIES + ["d"]
        assert jump(home.ask("other", model="d")).model == "d"


def test_a_model_that_keeps_failing_is_left_alone_then_probed_once(path: Path) -> None:
    async def main(home: House) -> list[Answer]:
        await home.ask("0")
        begin = len(world.calls)
        quick = [await home.ask(f"down {number}") for number in range(5)]
        assert len(world.calls) == begin, "a model that is left alone is not called"
        await asyncio.sleep(COOLDOWN + 1)
        probes = await asyncio.gather(*(home.ask(f"probe {number}", seconds=5) for number in range(8)))
        assert len(world.calls) == begin + 1, "one probe"
        assert {answer.outcome for answer in probes} == {Outcome.UNAVAILABLE}
        await asyncio.sleep(2 * COOLDOWN + 1)
        return [*quick, await home.ask("again"), await home.ask("and again")]

    assert STRIKES <= TRIES
    world = World(lambda model, number: BROKEN if number < STRIKES + 1 else GOOD)
    with house(path, world, named("a")) as home:
        *quick, again, last = jump(main(home))
        assert {answer.outcome for answer in quick} == {Outcome.UNAVAILABLE}
        assert again.outcome is last.outcome is Outcome.ANSWERED
        assert len(home.said) == 2, home.said
        assert "no model works" in home.said[0]
        assert "works again" in home.said[1]


def test_a_hanging_call_lets_others_go_on_and_is_asked_again(path: Path) -> None:
    async def main(home: House) -> tuple[float, list[Answer]]:
        await asyncio.gather(*(home.ask(f"warm {number}") for number in range(20)))
        begin = now()
        answers = await asyncio.gather(*(home.ask(str(number)) for number in range(6)))
        return now() - begin, answers

    world = World(lambda model, number: 1e6 if number in (20, 21) else 1.0)
    with house(path, world, named("a", concurrency=1)) as home:
        took, answers = jump(main(home))
        assert {answer.outcome for answer in answers} == {Outcome.ANSWERED}
        assert took < 30, "two hangs of up to five minutes cost seconds"
        assert sum(answer.spend.unanswered > 0 for answer in answers) >= 1


def test_few_calls_are_parked_at_once(path: Path) -> None:
    async def main(home: House) -> None:
        await asyncio.gather(*(home.ask(f"warm {number}") for number in range(20)))
        await asyncio.gather(*(home.ask(str(number), seconds=60) for number in range(60)))

    world = World(lambda model, number: 1e6 if number >= 20 else 1.0)
    with house(path, world, named("a", concurrency=8)) as home:
        jump(main(home))
        assert world.most <= 8 + 4


def test_a_model_that_has_become_slow_is_waited_for_in_the_end(path: Path) -> None:
    async def main(home: House) -> Answer:
        await asyncio.gather(*(home.ask(f"warm {number}") for number in range(20)))
        return await home.ask("slow")

    world = World(lambda model, number: 1.0 if number < 20 else 9.0)
    with house(path, world, named("a")) as home:
        assert jump(main(home)).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("arrived", [True, False])
def test_an_answer_that_arrived_is_kept_when_the_asker_is_gone(path: Path, arrived: bool) -> None:
    async def main(home: House) -> None:
        gate: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        gates.append(gate)
        asker = asyncio.create_task(home.ask())
        while not world.calls:
            await asyncio.sleep(0)
        if arrived:
            gate.set_result(GOOD)
        asker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asker
        if arrived:
            assert (await home.ask()).text == GOOD.text

    gates: list[asyncio.Future[Reply]] = []

    async def wait(number: int) -> Reply:
        return await gates[0]

    world = World(lambda model, number: wait)
    with house(path, world, named("a")) as home:
        jump(main(home))
        assert len(world.calls) == 1, "what had arrived is not paid again"
        assert home.recorded() == arrived
        assert bool(home.cost_cap.spending.pending()) is not arrived


def test_a_replay_asks_nobody(path: Path) -> None:
    async def main(home: House) -> list[Answer]:
        return [await home.ask(str(number)) for number in range(3)]

    with house(path, World(lambda model, number: BROKEN if number else GOOD), named("a")) as home:
        first = jump(main(home))
        assert {answer.outcome for answer in first} == {Outcome.UNAVAILABLE, Outcome.ANSWERED}
    world = World(lambda model, number: GOOD)
    with house(path, world, named("a"), replaying=True) as home:
        assert jump(main(home)) == first
        with pytest.raises(NotRecorded):
            jump(home.ask("never asked"))
    assert world.calls == []


def test_the_key_of_a_call_holds_all_that_decides_its_answer(path: Path) -> None:
    world = World(lambda model, number: GOOD)

    async def main(home: House) -> None:
        asks = [
            Ask("a", MESSAGES, "0"),
            Ask("a", MESSAGES, "1"),
            Ask("b", MESSAGES, "0"),
            Ask("a", MESSAGES, "0", grammar="root ::= x"),
            Ask("a", ({"role": "user", "content": "other"},), "0"),
        ]
        for ask in (*asks, *asks):
            await home.models.ask(ask)

    with house(path, world, named("a", "b")) as home:
        jump(main(home))
        assert home.recorded() == len(world.calls) == 5
        stages = home.archive.connection.execute(
            "SELECT json_extract(call, '$.stage') FROM ledger"
        ).fetchall()
        assert set(stages) == {("model",)}


def test_secrets_are_neither_sent_nor_recorded_nor_returned(path: Path) -> None:
    key = "sk-planted-0123456789"
    keys = Keys({"X_KEY": key}, {})
    leaky = Reply(Outcome.ANSWERED, f"the key is {key}", f"key {key}", BILL)
    world = World(lambda model, number: leaky)

    async def main(home: House) -> Answer:
        messages = ({"role": "user", "content": f"use {key}"},)
        return await home.models.ask(Ask("a", messages, "0"))

    with house(path, world, named("a"), keys=keys) as home:
        answer = jump(main(home))
        assert answer.text == "the key is [key]"
        assert key not in str(world.prompts)
        files = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert b"the key is" in files
        assert key.encode() not in files


def test_text_that_no_file_can_hold_is_recorded_all_the_same(path: Path) -> None:
    odd = Reply(Outcome.ANSWERED, "a\ud800b\x00c", spend=BILL)
    with house(path, World(lambda model, number: odd), named("a")) as home:
        assert jump(home.ask()).text == "a?b\x00c"


def test_a_request_that_is_tried_again_waits_behind_nobody(path: Path) -> None:
    async def main(home: House) -> None:
        asks = [Ask("a", ({"role": "user", "content": f"number {one}"},), "0") for one in range(50)]
        await asyncio.gather(*map(home.models.ask, asks))

    async def stumble(number: int) -> Reply:
        await asyncio.sleep(1)
        return BROKEN

    world = World(lambda model, number: stumble if number == 0 else 1.0)
    with house(path, world, named("a", concurrency=1)) as home:
        jump(main(home))
    tried = [line for line, prompt in enumerate(world.prompts) if prompt[0]["content"] == "number 0"]
    assert tried[0] == 0
    assert tried[1] <= 3
