"""Prices: what a model's tokens cost, from the config, else from litellm's list; None where nobody knows."""

from dataclasses import dataclass
from typing import Any

from ...config.proposers import Model
from .litellm_loader import load, provider_of

OWN_MACHINES = ("ollama", "ollama_chat", "lm_studio", "hosted_vllm", "llamafile")
"""Providers whose price of 0.0 means free. Elsewhere 0.0 in the list means that it is priced otherwise."""
PER = 1e6


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token of prompt, of prompt read from and written to the provider's cache, and of answer.

    Surcharges for very long prompts are not in it.
    """

    prompt: float
    answer: float
    cache_read: float
    cache_write: float

    @property
    def free(self) -> bool:
        """Whether nothing costs anything."""
        return not any((self.prompt, self.answer, self.cache_read, self.cache_write))

    def most(self, tokens_in: int, tokens_out: int) -> float:
        """Dollars of a call of that size at the most."""
        return tokens_in * max(self.prompt, self.cache_write) + tokens_out * self.answer

    def of(self, tokens_in: int, tokens_out: int, cached: int = 0, written: int = 0) -> float:
        """Dollars of a call; `cached` and `written` are parts of `tokens_in`."""
        plain = max(0, tokens_in - cached - written)
        dear = cached * self.cache_read + written * self.cache_write
        return plain * self.prompt + dear + tokens_out * self.answer


def price_of(model: Model) -> Price | None:
    """The model's price, or None where the config names none and litellm knows none."""
    if model.local:
        return _plain((model.input_price or 0.0) / PER, (model.output_price or 0.0) / PER)
    if model.input_price is not None and model.output_price is not None:
        return _plain(model.input_price / PER, model.output_price / PER)
    listed = _listed(model.name)
    if listed is None:
        return None
    if model.input_price is not None:
        return _plain(model.input_price / PER, listed.answer)
    if model.output_price is not None:
        return Price(listed.prompt, model.output_price / PER, listed.cache_read, listed.cache_write)
    return listed


def _plain(prompt: float, answer: float) -> Price:
    return Price(prompt, answer, prompt, prompt)


def _listed(name: str) -> Price | None:
    """What litellm's list says of the name."""
    entry = _entry(name)
    prompt, answer = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if prompt is None or answer is None:
        return None
    if not (prompt or answer) and entry.get("litellm_provider") not in OWN_MACHINES:
        return None
    read, write = entry.get("cache_read_input_token_cost"), entry.get("cache_creation_input_token_cost")
    return Price(prompt, answer, prompt if read is None else read, prompt if write is None else write)


def _entry(name: str) -> dict[str, Any]:
    """The list's entry for the name: as it stands, with its provider, or bare where that provider has it."""
    table: dict[str, dict[str, Any]] = load().model_cost
    found = provider_of(name)
    if found is None:
        return table.get(name, {})
    provider, model = found
    for key in (name, f"{provider}/{model}", model):
        if key in table and (key != model or table[key].get("litellm_provider") == provider):
            return table[key]
    return {}
