"""A model inside this process, registered with litellm as a user would: no server, all the way of a call."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm.endpoint import Endpoint, Outcome, Reply
from recevolve.engine.propose.llm.keys import Keys
from recevolve.engine.propose.llm.litellm_loader import load

MODEL = Model(name="house/anything", input_price=1.0, output_price=2.0)


@pytest.fixture
def said() -> Iterator[dict[str, Any]]:
    """What the model answers next: a text, or a status to fail with."""
    library: Any = load()
    says: dict[str, Any] = {}

    class House(library.CustomLLM):  # type: ignore[misc]
        async def acompletion(self, model: str, messages: Any, model_response: Any, **_: Any) -> Any:
            if "status" in says:
                raise library.llms.custom_llm.CustomLLMError(status_code=says["status"], message="not now")
            model_response.model = model
            model_response.choices[0].message.content = says["text"]
            model_response.usage = library.Usage(prompt_tokens=7, completion_tokens=3, total_tokens=10)
            return model_response

    before = library.custom_provider_map
    library.custom_provider_map = [{"provider": "house", "custom_handler": House()}]
    yield says
    library.custom_provider_map = before


def asked() -> Reply:
    endpoint = Endpoint(MODEL, Keys({}, {}))
    return asyncio.run(endpoint.complete([{"role": "user", "content": "hello"}], ""))


def test_its_text_and_its_tokens_come_back(said: dict[str, Any]) -> None:
    said["text"] = "explanation: as asked"
    reply = asked()
    assert (reply.outcome, reply.text) == (Outcome.ANSWERED, "explanation: as asked")
    assert (reply.spend.tokens_in, reply.spend.tokens_out) == (7, 3)
    assert reply.spend.dollars == pytest.approx(13e-6)


@pytest.mark.parametrize(
    ("status", "retry", "outcome"), [(429, True, Outcome.UNAVAILABLE), (400, False, Outcome.REJECTED)]
)
def test_its_failures_are_typed_like_a_servers(
    said: dict[str, Any], status: int, retry: bool, outcome: Outcome
) -> None:
    said["status"] = status
    reply = asked()
    assert (reply.outcome, reply.retry) == (outcome, retry)
