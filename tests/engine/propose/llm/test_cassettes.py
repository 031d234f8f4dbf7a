"""What servers really send, recorded: typed replies with the text and the tokens of the wire, and no key.

The cassettes of the OpenAI and Anthropic protocols were recorded from llama-server with SmolLM2, those of
Ollama from an imitation of its documented answers. To record them again, after `make real`:
RECEVOLVE_REAL_MODEL=.venv/real python -m pytest tests/engine/propose/llm/test_cassettes.py
--record-mode=rewrite
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm import litellm_loader
from recevolve.engine.propose.llm.endpoint import Endpoint, Message, Outcome, Reply
from recevolve.engine.propose.llm.keys import Keys

from ....real import server as llama
from ....server import ollama

CASSETTES = Path(__file__).parent / "cassettes"
NOWHERE = "http://127.0.0.1:9"
KEY = "sk-planted-0123456789abcdef"
ASKED: tuple[Message, ...] = (
    {"role": "system", "content": "You edit programs. Answer in one sentence.", "cache": "1"},
    {"role": "user", "content": "What would you change in `return 2 * x`?"},
)
LONG: tuple[Message, ...] = ({"role": "user", "content": "change it " * 600},)
GRAMMAR = 'root ::= "explanation: " [a-z ]{8,40} "\\n"'

recorded = pytest.mark.vcr(match_on=["method", "path", "body"], filter_headers=["authorization", "x-api-key"])


@pytest.fixture(scope="session")
def openai_base(record_mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of llama-server while recording, of nothing while replaying."""
    if record_mode == "none":
        yield f"{NOWHERE}/v1"
        return
    with llama.serving(tmp_path_factory.mktemp("llama") / "log", slots=1, context=512) as base:
        yield base


@pytest.fixture(scope="session")
def ollama_base(record_mode: str) -> Iterator[str]:
    """The address of Ollama's imitation while recording, of nothing while replaying."""
    if record_mode == "none":
        yield NOWHERE
        return
    with ollama.serving() as base:
        yield base


def reply(model: Model, messages: Sequence[Message] = ASKED, grammar: str = "") -> Reply:
    """The endpoint's reply, with a key that the server is told."""
    endpoint = Endpoint(model.model_copy(update={"key_env": "PLANTED"}), Keys({"PLANTED": KEY}, {}))

    async def ask() -> Reply:
        try:
            return await endpoint.complete(messages, grammar)
        finally:
            await litellm_loader.close()

    return asyncio.run(ask())


def wire(vcr: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(request, answer) of the one call on the cassette, as JSON."""
    (request,), (response,) = vcr.requests, vcr.responses
    return json.loads(request.body), json.loads(response["body"]["string"])


def small(base: str, **changes: Any) -> Model:
    """A model of an OpenAI-compatible server."""
    return Model(name="openai/smollm2", api_base=base, **{"max_tokens": 400, **changes})


@recorded
def test_openai_answer(openai_base: str, vcr: Any) -> None:
    got = reply(small(openai_base))
    asked, said = wire(vcr)
    assert (asked["temperature"], asked["max_tokens"]) == (0.9, 400)
    assert asked["messages"] == [{key: each[key] for key in ("role", "content")} for each in ASKED]
    assert got.outcome is Outcome.ANSWERED
    assert got.text == said["choices"][0]["message"]["content"]
    assert got.spend.tokens_in == said["usage"]["prompt_tokens"] > 0
    assert got.spend.tokens_out == said["usage"]["completion_tokens"] > 0
    assert (got.spend.calls, got.spend.dollars, got.estimated) == (1, 0.0, False)


@recorded
def test_openai_answer_from_the_cache(openai_base: str, vcr: Any) -> None:
    got = reply(small(openai_base, temperature=0.1))
    _, said = wire(vcr)
    assert got.spend.cached == said["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


@recorded
def test_openai_answer_cut_off(openai_base: str, vcr: Any) -> None:
    got = reply(small(openai_base, max_tokens=5))
    _, said = wire(vcr)
    assert got.outcome is Outcome.TRUNCATED
    assert "max_tokens = 5" in got.reason
    assert got.text == said["choices"][0]["message"]["content"]
    assert got.spend.tokens_out == 5


@recorded
def test_llama_grammar_binds_the_answer(openai_base: str, vcr: Any) -> None:
    got = reply(small(openai_base, grammar=True), grammar=GRAMMAR)
    asked, _ = wire(vcr)
    assert asked["grammar"] == GRAMMAR
    assert got.outcome is Outcome.ANSWERED
    assert got.text.startswith("explanation: ")
    assert got.text.endswith("\n")


@recorded
def test_llama_no_grammar_where_the_config_asks_for_none(openai_base: str, vcr: Any) -> None:
    reply(small(openai_base, max_tokens=6), grammar=GRAMMAR)
    asked, _ = wire(vcr)
    assert "grammar" not in asked


@recorded
def test_llama_prompt_too_long(openai_base: str) -> None:
    got = reply(small(openai_base), LONG)
    assert got.outcome is Outcome.REJECTED
    assert "exceeds the available context size (512 tokens)" in got.reason
    assert not got.retry
    assert not got.broken


@recorded
def test_anthropic_answer(openai_base: str, vcr: Any) -> None:
    model = Model(name="anthropic/claude-haiku-5-5", api_base=openai_base.removesuffix("/v1"), max_tokens=400)
    got = reply(model)
    asked, said = wire(vcr)
    assert asked["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert got.outcome is Outcome.ANSWERED
    assert got.text == said["content"][0]["text"]
    assert got.spend.cached == said["usage"]["cache_read_input_tokens"]
    assert got.spend.tokens_in == said["usage"]["input_tokens"] + got.spend.cached
    assert got.spend.tokens_out == said["usage"]["output_tokens"]


@recorded
def test_ollama_answer(ollama_base: str, vcr: Any) -> None:
    got = reply(Model(name=f"ollama_chat/{ollama.MODEL}", api_base=ollama_base, context=8192))
    asked, said = wire(vcr)
    assert asked["options"]["num_ctx"] == 8192
    assert asked["options"]["num_predict"] == 4096
    assert got.outcome is Outcome.ANSWERED
    assert got.text == said["message"]["content"] == ollama.WORDS
    assert (got.spend.tokens_in, got.spend.tokens_out) == (said["prompt_eval_count"], said["eval_count"])


@recorded
def test_ollama_answer_cut_off(ollama_base: str) -> None:
    got = reply(Model(name=f"ollama_chat/{ollama.MODEL}", api_base=ollama_base, max_tokens=4))
    assert got.outcome is Outcome.TRUNCATED
    assert got.spend.tokens_out == 4


@recorded
def test_ollama_without_the_model(ollama_base: str) -> None:
    got = reply(Model(name="ollama_chat/unknown", api_base=ollama_base))
    assert got.outcome is Outcome.REJECTED
    assert "not found" in got.reason


@pytest.mark.parametrize("path", sorted(CASSETTES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_cassette_holds_a_key(path: Path) -> None:
    text = path.read_text(encoding="utf-8").lower()
    assert KEY not in text
    assert "authorization" not in text
    assert "x-api-key" not in text
    assert str(Path.home()) not in text


def test_every_server_is_on_a_cassette() -> None:
    kinds = {path.stem.split("_")[1] for path in CASSETTES.rglob("*.yaml")}
    assert kinds == {"openai", "llama", "anthropic", "ollama"}
