"""A run with a model: answers are paid once, faults cost no candidate, caps end it, replay needs no model."""

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.loop.events import Progress
from recevolve.engine.report.cautions import cautions
from recevolve.engine.report.proposer_stats import accounts
from recevolve.engine.runs.replay import replay
from recevolve.engine.runs.session import work
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.spending import Spending
from recevolve.population.values.origin import NOTHING, Spend

from ....server.scripted import Server, shares
from ...toy_runs import RECEVOLVE, TOY, config, config_file, descendants, gone

SMALL: dict[str, Any] = {
    "population": {"islands": 2, "size": 6, "births": 6, "migrate_every": 2},
    "north_star": {"every": 2, "slots": 1, "folds": 2},
    "budget": {"generations": 4, "seconds": 600},
}
ONLY_MODELS = {"mixture": {"models": 1.0}, "lessons_every": 2}


class Heard(Progress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def say(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def notes(self) -> list[str]:
        return [facts["line"] for event, facts in self.events if event == "note"]


def model(base: str, **more: Any) -> dict[str, Any]:
    return {"name": "openai/scripted", "api_base": base, "forms": ["edits", "whole"], **more}


def ran(run_dir: Path, server: Server, propose: Mapping[str, Any], **tables: Any) -> Heard:
    """What a run said, with the server beside it; `propose` may leave the models to it."""
    heard = Heard()

    async def both() -> None:
        base = await server.start()
        try:
            models = {"models": [model(base)]} | dict(propose)
            await work(config(run_dir, **{**SMALL, "propose": models, **tables}), heard, environ={})
        finally:
            await server.stop()

    asyncio.run(both())
    return heard


def total(archive: Archive) -> Spend:
    return sum((bill.spend for bill in Spending(archive.connection).by_model().values()), NOTHING)


def counted(server: Server) -> tuple[int, int, int]:
    return server.count["calls"], server.count["tokens_in"], server.count["tokens_out"]


def test_a_run_pays_for_what_it_was_answered_and_nothing_twice(tmp_path: Path) -> None:
    server = Server()
    ran(tmp_path, server, ONLY_MODELS)
    paid = counted(server)
    assert paid[0] > 20
    with Archive.read(tmp_path / "archive.db") as archive:
        spent = total(archive)
        assert (spent.calls, spent.tokens_in, spent.tokens_out) == paid
        assert spent.cached > 0
        assert not Spending(archive.connection).pending()
        makers = {
            evaluation.program.made_by for island in (0, 1) for evaluation in archive.evaluations(island, 3)
        }
        assert "openai/scripted whole" in makers
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []
    server.asked.clear()
    ran(tmp_path, server, ONLY_MODELS, budget={"generations": 4, "seconds": 500})
    assert not server.asked


FAULTS = (
    "rate=0.08,500=0.08,half=0.08,garbage=0.06,wrong=0.06,empty=0.06,truncated=0.08,refusal=0.06,hang=0.04"
)


def test_no_fault_ends_a_run_or_spoils_the_account(tmp_path: Path) -> None:
    server = Server(shares(FAULTS))
    ran(tmp_path, server, {**ONLY_MODELS, "deadline": 5.0})
    assert len(server.asked) > 7
    with Archive.read(tmp_path / "archive.db") as archive:
        assert archive.last_generation(0) == archive.last_generation(1) == 4
        spent = total(archive)
        assert (spent.calls, spent.tokens_in, spent.tokens_out) == counted(server)
        outcomes = Counter[str]()
        for row in accounts(archive):
            outcomes.update(row["outcomes"])
        assert outcomes["proposed"] > outcomes["empty"] + outcomes["refused"] > 0
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []


def test_with_every_model_down_the_others_go_on_and_it_is_said_once(tmp_path: Path) -> None:
    server = Server(lambda number, body: "drop")
    heard = ran(tmp_path, server, {**ONLY_MODELS, "deadline": 8.0})
    assert sum("no model works" in line for line in heard.notes()) == 1
    with Archive.read(tmp_path / "archive.db") as archive:
        assert archive.last_generation(0) == 4
        evaluations = [
            evaluation
            for island in (0, 1)
            for number in (1, 2, 3, 4)
            for evaluation in archive.evaluations(island, number)
        ]
        assert {evaluation.program.made_by for evaluation in evaluations} == {"syntax"}
        assert all(evaluation.origin.outcome in ("unavailable", "timed_out") for evaluation in evaluations)
        (row, *_) = cautions(archive)["unanswered"]
        assert row["model"] == "openai/scripted"
        assert row["reason"]
        assert total(archive).calls == 0


@pytest.mark.parametrize(
    ("budget", "prices", "word"),
    [
        ({"dollars": 0.05}, {"input_price": 1.0, "output_price": 4.0}, "dollars"),
        ({"tokens": 60_000}, {}, "tokens"),
        ({"calls": 9}, {}, "calls"),
    ],
)
def test_a_cap_is_never_passed_and_ends_the_run_with_its_reason(
    tmp_path: Path, budget: dict[str, float], prices: dict[str, float], word: str
) -> None:
    server, heard = Server(), Heard()

    async def both() -> None:
        base = await server.start()
        try:
            propose = {**ONLY_MODELS, "models": [model(base, max_tokens=500, **prices)]}
            limits = {"generations": 40, "seconds": 600, **budget}
            await work(config(tmp_path, **{**SMALL, "budget": limits, "propose": propose}), heard, environ={})
        finally:
            await server.stop()

    asyncio.run(both())
    reason = next(facts["reason"] for event, facts in heard.events if event == "ended")
    assert word in reason
    with Archive.read(tmp_path / "archive.db") as archive:
        spent = total(archive)
        assert (
            0 < {"dollars": spent.dollars, "tokens": spent.tokens, "calls": spent.calls}[word] <= budget[word]
        )
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """The server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def prompts_in(archive: Archive) -> Counter[str]:
    rows = archive.connection.execute("SELECT call FROM ledger WHERE json_extract(call, '$.stage') = 'model'")
    return Counter(json.dumps(json.loads(call)["messages"]) for (call,) in rows)


def test_a_killed_run_asks_nothing_again_that_had_arrived(tmp_path: Path) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def script(number: int, body: Mapping[str, Any]) -> str:
        answered.append(json.dumps(body["messages"]))
        if len(answered) >= 14:
            enough.set()
        return "ok"

    with serving(Server(script, delay=0.3)) as base:
        propose = {**ONLY_MODELS, "lessons_every": 0, "models": [model(base, concurrency=4)]}
        path = config_file(tmp_path, **{**SMALL, "propose": {"mixture": {"models": 1.0}}})
        path.write_text(path.read_text() + f"lessons_every = 0\nmodels = {_toml(propose['models'])}\n")
        process = subprocess.Popen([*RECEVOLVE, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert enough.wait(120)
        below = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert gone(below)
        with Archive.read(tmp_path / "run" / "archive.db") as archive:
            kept = prompts_in(archive)
            in_flight = sum(Spending(archive.connection).pending().values())
        assert kept
        assert 0 < in_flight <= 4
        before = len(answered)
        done = subprocess.run(
            [*RECEVOLVE, "run", path], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
    again = Counter(answered[before:])
    assert not kept & again
    with Archive.read(tmp_path / "run" / "archive.db") as archive:
        assert Spending(archive.connection).by_model()["openai/scripted"].spend.unanswered > 0


def _toml(models: Any) -> str:
    tables = [", ".join(f"{name} = {json.dumps(value)}" for name, value in one.items()) for one in models]
    return "[" + ", ".join(f"{{ {table} }}" for table in tables) + "]"


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ('"auto"', ["OPENAI_API_KEY", "ollama pull", "RECEVOLVE_MODEL", "propose.keys"]),
        ('["anthropic/claude-haiku-5-5"]', ["ANTHROPIC_API_KEY", "propose.keys"]),
        ('["gpt-that-nobody-knows"]', ["gpt-that-nobody-knows", "openai/"]),
    ],
)
def test_without_a_key_it_says_what_to_set_and_where(tmp_path: Path, models: str, words: list[str]) -> None:
    path = config_file(tmp_path, **SMALL)
    path.write_text(path.read_text() + f"[propose]\nmodels = {models}\n")
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OLLAMA_HOST": "127.0.0.1:9"}
    done = subprocess.run(
        [*RECEVOLVE, "run", path], capture_output=True, text=True, timeout=120, check=False, env=bare
    )
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


def refused(tmp_path: Path, **propose: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        asyncio.run(
            work(config(tmp_path, **{**SMALL, "propose": propose}), Progress(), environ={"K": "key-1"})
        )
    return str(caught.value)


def test_a_model_that_costs_needs_a_cap(tmp_path: Path) -> None:
    priced = {"name": "openai/x", "api_base": "http://example.invalid/v1", "key_env": "K"}
    message = refused(tmp_path, models=[{**priced, "input_price": 1.0, "output_price": 1.0}])
    assert "budget.dollars is 0" in message
    message = refused(tmp_path, models=[priced])
    assert all(word in message for word in ("unknown", "input_price", "budget.tokens"))


def test_other_templates_are_another_search(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    server = Server()
    propose = {**ONLY_MODELS, "prompts": str(folder)}
    ran(tmp_path / "run", server, propose, budget={"generations": 1, "seconds": 600})
    (folder / "repair.md").write_text("Wrong:\n{{ problem }}\n")
    with pytest.raises(ConfigError, match="other prompt templates"):
        ran(tmp_path / "run", server, propose, budget={"generations": 2, "seconds": 600})


def test_a_run_that_compares_by_meaning_replays_without_the_embedding_model(tmp_path: Path) -> None:
    server = Server()

    async def both() -> None:
        base = await server.start()
        vectors = {"name": "openai/vectors", "api_base": base}
        propose = {**ONLY_MODELS, "models": [model(base)], "embeddings": vectors, "similarity": 0.99}
        limits = {"generations": 2, "seconds": 600}
        try:
            chosen = config(tmp_path, **{**SMALL, "budget": limits, "propose": propose})
            await work(chosen, Progress(), environ={})
        finally:
            await server.stop()

    asyncio.run(both())
    with Archive.read(tmp_path / "archive.db") as archive:
        spent = Spending(archive.connection).by_model()
        assert spent["openai/vectors"].spend.calls > 1
        assert "near" in accounts(archive)[0]["outcomes"]
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []
