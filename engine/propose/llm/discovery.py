"""Auto: which models the environment offers, where a config says `models = "auto"`."""

import json
from collections.abc import Callable, Mapping
from urllib.request import urlopen

from pydantic import ValidationError

from ...config.config import ConfigError
from ...config.proposers import Model

HOSTED: Mapping[str, str] = {
    "OPENAI_API_KEY": "openai/gpt-6-luna",
    "ANTHROPIC_API_KEY": "anthropic/claude-haiku-5-5",
    "GEMINI_API_KEY": "gemini/gemini-3.5-flash-lite",
    "GOOGLE_API_KEY": "gemini/gemini-3.5-flash-lite",
    "DEEPSEEK_API_KEY": "deepseek/deepseek-v4-flash",
    "MISTRAL_API_KEY": "mistral/devstral-latest",
    "GROQ_API_KEY": "groq/openai/gpt-oss-120b",
    "XAI_API_KEY": "xai/grok-4.3",
    "TOGETHERAI_API_KEY": "together_ai/openai/gpt-oss-120b",
}
"""The variable that holds a provider's key, and a cheap model of that provider whose price litellm knows."""
OLLAMA = "http://127.0.0.1:11434"
SECONDS = 2.0


def offered(environ: Mapping[str, str], listed: Callable[[str], tuple[str, ...]]) -> tuple[Model, ...]:
    """The one model that the environment offers first. ConfigError where it offers none.

    RECEVOLVE_MODEL (at RECEVOLVE_API_BASE, where it is set), else a hosted model whose key is set, else a
    model of an Ollama server, one for code if it has one. `listed` gives the names of a server's models.
    """
    name, base = environ.get("RECEVOLVE_MODEL"), environ.get("RECEVOLVE_API_BASE")
    if name:
        try:
            return (Model(name=name, api_base=base or None),)
        except ValidationError as error:
            raise ConfigError(f"RECEVOLVE_API_BASE: {error.errors()[0]['msg']}") from None
    if base:
        raise ConfigError(
            "RECEVOLVE_API_BASE is set but RECEVOLVE_MODEL is not; set it to the model's name there"
        )
    for variable, hosted in HOSTED.items():
        if environ.get(variable):
            return (Model(name=hosted, key_env=variable),)
    base = _ollama(environ)
    names = listed(base)
    if names:
        chosen = next((name for name in names if "coder" in name), names[0])
        return (Model(name=f"ollama_chat/{chosen}", api_base=base),)
    raise ConfigError(
        'propose.models = "auto" found no model. Set one of '
        f"{', '.join(HOSTED)} (in the environment, or as NAME=value lines in a file that `propose.keys` "
        f"names); or start Ollama with a model (ollama pull qwen2.5-coder:7b); or name any model and its "
        "server: RECEVOLVE_MODEL=openai/NAME RECEVOLVE_API_BASE=http://127.0.0.1:8080/v1. docs/models.md has "
        "a line for each provider."
    )


def ollama_models(base: str) -> tuple[str, ...]:
    """The names of an Ollama server's models; none where no such server answers at once."""
    try:
        with urlopen(f"{base}/api/tags", timeout=SECONDS) as response:
            return tuple(str(one["name"]) for one in json.load(response)["models"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _ollama(environ: Mapping[str, str]) -> str:
    """The address of Ollama as its own variables give it."""
    given = environ.get("OLLAMA_API_BASE") or environ.get("OLLAMA_HOST") or OLLAMA
    for anywhere in ("0.0.0.0", "[::]"):  # what a server listens on is no address to ask
        given = given.replace(anywhere, "127.0.0.1")
    if "://" in given:
        return given.rstrip("/")
    return f"http://{given}" if ":" in given else f"http://{given}:11434"
