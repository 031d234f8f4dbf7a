"""Prices: what a model's tokens cost, from the config, else from litellm's list; None where nobody knows."""

from dataclasses import dataclass, replace
from typing import Any

from ....population.values.origin import Spend
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


def spend_at(
    price: Price | None, tokens_in: int, tokens_out: int, cached: int = 0, written: int = 0
) -> Spend:
    """What one answered call of that size costs; its tokens count as unpriced where the price is unknown."""
    if price is None:
        return Spend(1, tokens_in, cached, tokens_out, unpriced=tokens_in + tokens_out)
    return Spend(1, tokens_in, cached, tokens_out, price.of(tokens_in, tokens_out, cached, written))


def price_of(model: Model) -> Price | None:
    """The model's price, or None where the config names none and litellm knows none."""
    given = model.input_price, model.output_price
    listed = Price(0.0, 0.0, 0.0, 0.0) if model.local or None not in given else _listed(model.name)
    if listed is not None and model.input_price is not None:
        prompt = model.input_price / PER
        listed = Price(prompt, listed.answer, prompt, prompt)
    if listed is not None and model.output_price is not None:
        listed = replace(listed, answer=model.output_price / PER)
    return listed


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
