"""litellm, loaded on first use and made quiet; what our part of it can raise; its end."""

import logging
import os
import warnings
from functools import cache
from types import ModuleType
from typing import Any

COUNTED_AS = "gpt-4o"
"""The model whose tokenizer counts for all: for some others litellm would fetch one from the network."""


@cache
def load() -> ModuleType:
    """The module litellm. Takes seconds the first time, so call it where that does not hurt."""
    # otherwise it fetches its price list from the network and reads .env in the working directory
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    # said of every answer whose JSON has other types than OpenAI's, which we report as a fault ourselves
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    # said of litellm's own types when pydantic builds them, which it puts off until the first of them is made
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    litellm.ModelResponse()
    return litellm


def faults() -> tuple[type[Exception], ...]:
    """Everything that a call through litellm raises where the model, its server or the network is at fault.

    Broad, because a server may answer anything: litellm hands some malformed answers on as bare LookupError,
    TypeError or AttributeError.
    """
    import aiohttp
    import httpx
    import openai

    return (
        openai.OpenAIError,
        aiohttp.ClientError,
        httpx.HTTPError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RuntimeError,
        UserWarning,
    )


def provider_of(name: str) -> tuple[str, str] | None:
    """(provider, the model's name there) as litellm reads the name, or None where it knows no provider."""
    import openai

    litellm: Any = load()
    try:
        model, provider, _, _ = litellm.get_llm_provider(model=name)
    except openai.BadRequestError:
        return None
    return str(provider), str(model)


async def close() -> None:
    """Closes the connections that litellm keeps for the running event loop, if it was loaded."""
    if load.cache_info().currsize:
        await load().close_litellm_async_clients()
