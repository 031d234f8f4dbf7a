"""Faults of a real server, through litellm: each ends typed, in time, and booked to the token."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from recevolve.engine.config.config import Budget
from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm import litellm_loader
from recevolve.engine.propose.llm.client import Ask, Models, Outcome
from recevolve.engine.propose.llm.cost_cap import CostCap
from recevolve.engine.propose.llm.endpoint import Endpoint, Reply
from recevolve.engine.propose.llm.keys import Keys
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.spending import Spending
from recevolve.population.values.origin import Spend

from ....server.scripted import Server

T = TypeVar("T")
PROMPT = ({"role": "user", "content": "Improve this:\n```python\nx = 0.5\n```\n"},)
KEY = "sk-planted-0123456789abcdef"
DAY = "Tue, 14 Nov 2023 22:13:40 GMT"
THEN = 1_700_000_000.0

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")


def model(base: str, **more: Any) -> Model:
    return Model(name="openai/scripted", api_base=base, **{"max_tokens": 100, **more})


def serving(server: Server, main: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """What `main` makes of the running server's address."""

    async def both() -> T:
        base = await server.start()
        try:
            return await main(base)
        finally:
            await litellm_loader.close()
            await server.stop()

    return asyncio.run(both())


def reply_to(fault: str, seconds: float = 60.0, **more: Any) -> tuple[Reply, Server]:
    """One endpoint's reply to one fault."""
    server = Server(lambda number, body: fault, retry_after=more.pop("retry_after", "7"))

    async def main(base: str) -> Reply:
        keys = Keys({"PLANTED": KEY}, {})
        endpoint = Endpoint(model(base, key_env="PLANTED", **more), keys, now=lambda: THEN)
        async with asyncio.timeout(seconds):
            return await endpoint.complete(PROMPT, "root ::= x")

    return serving(server, main), server


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        ("ok", Outcome.ANSWERED, ""),
        ("empty", Outcome.EMPTY, "no text"),
        ("thinking", Outcome.EMPTY, "characters of reasoning and no answer"),
        ("truncated", Outcome.TRUNCATED, "max_tokens = 100"),
        ("refusal", Outcome.REFUSED, "I would rather not."),
        ("filtered", Outcome.FILTERED, "filter"),
        ("usage", Outcome.ANSWERED, ""),
    ],
)
def test_what_a_server_answered_is_typed_and_counted(fault: str, outcome: Outcome, words: str) -> None:
    reply, server = reply_to(fault)
    assert reply.outcome is outcome, reply.reason
    assert words in reply.reason
    assert not reply.retry
    assert reply.estimated == (fault == "usage")
    counted = (reply.spend.calls, reply.spend.tokens_in, reply.spend.tokens_out)
    if fault == "usage":
        assert all(counted)
    else:
        assert counted == tuple(server.count[name] for name in ("calls", "tokens_in", "tokens_out"))
        assert reply.spend.cached == server.count["tokens_in"] // 2
    assert bool(reply.text) == (fault in ("ok", "truncated", "usage"))


@pytest.mark.parametrize("fault", ["500", "503", "half", "garbage", "wrong", "nothing", "drop", "rate"])
def test_a_failing_server_is_worth_another_try(fault: str) -> None:
    reply, server = reply_to(fault)
    assert reply.outcome is Outcome.UNAVAILABLE
    assert reply.retry
    assert reply.reason
    assert reply.broken == (fault != "rate"), "a busy server is not broken"
    assert reply.risked == (fault not in ("500", "503", "rate")), (
        "only an error of the server's is surely free"
    )
    assert reply.spend == Spend()
    assert server.asked.total() == 1, "no layer below tries again"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), (DAY, 20.0), ("soon", None), ("-3", 0.0)]
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert reply_to("rate", retry_after=header)[0].after == seconds


@pytest.mark.parametrize(("fault", "broken"), [("unknown", True), ("key", True), ("long", False)])
def test_a_request_that_is_wrong_is_not_tried_again(fault: str, broken: bool) -> None:
    reply, server = reply_to(fault)
    assert (reply.outcome, reply.retry, reply.broken, reply.risked) == (
        Outcome.REJECTED,
        False,
        broken,
        False,
    )
    assert reply.reason
    assert server.asked.total() == 1


@pytest.mark.parametrize(
    ("fault", "name", "instead"),
    [
        ("temperature", "temperature", None),
        ("max_tokens", "max_tokens", "max_completion_tokens"),
        ("extra", "colour", None),
    ],
)
def test_a_refused_parameter_is_learnt_once(fault: str, name: str, instead: str | None) -> None:
    server = Server(lambda number, body: fault)

    async def main(base: str) -> None:
        endpoint = Endpoint(model(base, extra={"colour": "red"}), Keys({}, {}))
        first = await endpoint.complete(PROMPT, "")
        again = await endpoint.complete(PROMPT, "")
        assert first.outcome is again.outcome is Outcome.ANSWERED
        assert first.dropped == again.dropped == endpoint.dropped == (name,)
        later = await Endpoint(endpoint.model, Keys({}, {}), (name,)).complete(PROMPT, "")
        assert later.outcome is Outcome.ANSWERED

    serving(server, main)
    assert [name in body for body in server.bodies] == [True, False, False, False]
    if instead:
        assert [instead in body for body in server.bodies] == [False, True, True, True]


def test_a_parameter_is_not_blamed_where_leaving_it_out_does_not_help() -> None:
    def script(number: int, body: Any) -> str:
        return "temperature" if "temperature" in body else "unknown"

    async def main(base: str) -> None:
        endpoint = Endpoint(model(base), Keys({}, {}))
        assert (await endpoint.complete(PROMPT, "")).outcome is Outcome.REJECTED
        assert endpoint.dropped == ()

    serving(Server(script), main)


def test_a_grammar_goes_only_to_servers_that_take_one() -> None:
    assert reply_to("ok", grammar=True)[1].bodies[0]["grammar"] == "root ::= x"
    assert "grammar" not in reply_to("ok")[1].bodies[0]


def test_only_models_that_honour_cache_marks_get_them() -> None:
    marked = ({"role": "system", "content": "constant", "cache": "1"}, *PROMPT)
    server = Server()

    async def main(base: str) -> None:
        await Endpoint(model(base), Keys({}, {})).complete(marked, "")
        claude = Endpoint(Model(name="anthropic/claude-sonnet-4-5"), Keys({"ANTHROPIC_API_KEY": "k" * 9}, {}))
        call = claude._call(marked, "", ())
        assert call["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
        assert call["messages"][1] == PROMPT[0]
        bare = claude._call(marked, "", ("cache_control",))
        assert bare["messages"][0] == {"role": "system", "content": "constant"}

    serving(server, main)
    assert server.bodies[0]["messages"][0] == {"role": "system", "content": "constant"}


FAULTS = ("ok", "ok", "rate", "500", "half", "garbage", "wrong", "nothing", "empty", "truncated", "refusal",
          "filtered", "drop", "thinking", "ok")  # fmt: skip


def faulty(number: int, body: Mapping[str, Any]) -> str:
    """The fault of a call: one in turn; from the sixth on the model refuses two parameters, as models do."""
    refused = [name for name in ("temperature", "max_tokens") if number > 5 and name in body]
    return refused[0] if refused else FAULTS[number * 7 % len(FAULTS)]


def test_the_archive_and_the_server_agree_to_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Server(faulty, retry_after="0")
    keys = Keys({"PLANTED": KEY}, {})

    async def main(base: str) -> list[Outcome]:
        with Archive.create_or_open(tmp_path / "archive.db") as archive:
            cost_cap = CostCap(Spending(archive.connection), Budget())
            one = model(base, concurrency=4, key_env="PLANTED")
            models = Models([one], archive.ledger(), cost_cap, keys, deadline=120.0)
            asks = [models.ask(Ask(one.name, PROMPT, f"0/1/{number}/0")) for number in range(40)]
            answers = await asyncio.gather(*asks)
            await models.close()
            bill = Spending(archive.connection).by_model()[one.name].spend
            assert (bill.calls, bill.tokens_in, bill.tokens_out) == (
                server.count["calls"], server.count["tokens_in"], server.count["tokens_out"],
            )  # fmt: skip
            assert bill == sum((answer.spend for answer in answers), Spend())
            assert bill == cost_cap.total()
            assert Spending(archive.connection).pending() == {}
            assert Spending(archive.connection).dropped() == {one.name: ("max_tokens", "temperature")}
            for file in tmp_path.iterdir():
                assert KEY.encode() not in file.read_bytes()
            return [answer.outcome for answer in answers]

    outcomes = serving(server, main)
    assert {Outcome.ANSWERED, Outcome.EMPTY, Outcome.TRUNCATED, Outcome.REFUSED, Outcome.FILTERED} <= {
        *outcomes
    }
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert KEY not in caplog.text


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_server_that_never_ends_ends_with_the_deadline(tmp_path: Path, fault: str) -> None:
    async def main(base: str) -> None:
        with Archive.create_or_open(tmp_path / "archive.db") as archive:
            one = model(base)
            models = Models(
                [one], archive.ledger(), CostCap(Spending(archive.connection), Budget()), Keys({}, {})
            )
            async with asyncio.timeout(30):
                answer = await models.ask(
                    Ask(one.name, PROMPT, "0"), until=asyncio.get_running_loop().time() + 0.4
                )
            assert answer.outcome is Outcome.TIMED_OUT
            assert answer.spend.unanswered > 0
            assert answer.spend.calls == 0
            await models.close()

    serving(Server(lambda number, body: fault), main)


def test_nobody_at_the_address_is_a_fault_of_the_server() -> None:
    async def main(base: str) -> Reply:
        return await Endpoint(model("http://127.0.0.1:9/v1"), Keys({}, {})).complete(PROMPT, "")

    reply = serving(Server(), main)
    assert (reply.outcome, reply.retry, reply.broken) == (Outcome.UNAVAILABLE, True, True)


def test_calls_share_their_connections_whatever_their_deadlines(tmp_path: Path) -> None:
    async def main(base: str) -> None:
        with Archive.create_or_open(tmp_path / "archive.db") as archive:
            one = model(base)
            cost_cap = CostCap(Spending(archive.connection), Budget())
            models = Models([one], archive.ledger(), cost_cap, Keys({}, {}))
            files = []
            for number in range(30):
                until = asyncio.get_running_loop().time() + 60 + number
                await models.ask(Ask(one.name, PROMPT, str(number)), until=until)
                files.append(len(list(Path("/proc/self/fd").iterdir())))
            await models.close()
            assert files[-1] <= files[0] + 1

    serving(Server(), main)
