"""Embeddings: programs compared by meaning, where the config names a model that turns text into a vector.

Every vector is a recorded call, and so is every failure to get one, so a replay compares the same vectors.
They are packed as little-endian float32 in base64, a third of the size of their decimals in JSON.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....population.archive.ledger import Key, Ledger
from ....population.archive.spending import Bill
from ....population.values.origin import Spend
from ...config.proposers import Model
from .cost_cap import Capped, CostCap, Reservation
from .keys import Keys
from .litellm_loader import faults, load
from .prices import spend_at

Vector = NDArray[np.float32]
Ask = Callable[[Model, str], Awaitable[Mapping[str, Any]]]
"""(model, text) to {"vector": numbers, "tokens_in": count} or {"outcome": why, "reason": words}."""
CHARACTERS_PER_TOKEN = 2


def packed(vector: Sequence[float] | Vector) -> str:
    """The vector as base64 of little-endian float32. ValueError unless finite and of some direction."""
    vector_D = np.asarray(vector, "<f4")
    if vector_D.ndim != 1 or not np.isfinite(vector_D).all() or not vector_D.any():
        raise ValueError(f"expected a vector of finite numbers, not all zero, got shape {vector_D.shape}")
    return base64.b64encode(vector_D.tobytes()).decode()


def unpacked(text: str) -> Vector:
    """The vector that `packed` wrote, scaled to length 1. ValueError where the text is none."""
    vector_D = np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    return np.asarray(vector_D / np.linalg.norm(vector_D.astype(np.float64)), np.float32)


class Embeddings:
    """Vectors of texts by a model, each answer through the ledger and held to the cost cap.

    `ask` is the seam to the outside. `seconds` is how long one call may take.
    """

    def __init__(
        self, model: Model, ledger: Ledger, cost_cap: CostCap, ask: Ask, seconds: float = 60.0
    ) -> None:
        # nothing is written, so room for an answer would only be in the way of other calls
        self._model = model.model_copy(update={"max_tokens": 1})
        self._ledger = ledger
        self._cost_cap = cost_cap
        self._ask = ask
        self._seconds = seconds
        self._queue = asyncio.Semaphore(model.concurrency)

    async def embed(self, text: str) -> Vector | None:
        """The text's vector of length 1, recorded; None where the model had none, which is recorded too."""
        key: Key = {"stage": "model", "model": self._model.name, "input": text}
        notes: list[Reservation] = []
        answer = await self._ledger.recall_or(key, partial(self._pay, text, notes))
        self._cost_cap.strike(notes)
        return unpacked(answer["vector"]) if "vector" in answer else None

    async def _pay(self, text: str, notes: list[Reservation]) -> Mapping[str, Any]:
        """The record of one call, its bill included; `notes` takes its note in the archive."""
        name = self._model.name
        record: dict[str, Any] = {"model": name, "bills": {}, "dropped": []}
        tokens = len(text) // CHARACTERS_PER_TOKEN + 1
        async with self._queue:
            try:
                note = await self._cost_cap.reserve(self._model, tokens)
            except Capped as cap:
                return record | {"outcome": "capped", "reason": str(cap)}
            notes.append(note)
            bill = Bill(Spend(unanswered=tokens), note.dollars)
            try:
                async with asyncio.timeout(self._seconds):
                    answer = dict(await self._ask(self._model, text))
                used = spend_at(self._cost_cap.price(self._model), answer.pop("tokens_in", tokens), 0)
                bill = Bill(used) if "vector" in answer else Bill()
            except TimeoutError:
                answer = {"outcome": "timed_out", "reason": f"no vector within {self._seconds:g} s"}
            finally:
                self._cost_cap.charge(note, bill)
        if "vector" in answer:
            try:
                answer |= {"vector": packed(answer["vector"]), "outcome": "answered"}
            except (ValueError, TypeError) as error:
                answer = {"outcome": "garbage", "reason": str(error)}
        return {**record, **answer, "bills": {name: bill.to_json()}}


def most_similar(vector_D: Vector, others: Mapping[str, Vector]) -> tuple[float, str]:
    """(cosine of the most similar vector, its name), the first of equals; (-1.0, "") where there are none.

    ValueError where dimensions differ.
    """
    if not others:
        return -1.0, ""
    others_ND = np.stack([each / np.linalg.norm(each) for each in others.values()])
    cosines_N = others_ND @ (vector_D / np.linalg.norm(vector_D))
    place = int(cosines_N.argmax())
    return float(cosines_N[place]), list(others)[place]


def through_litellm(keys: Keys) -> Ask:
    """Calls by litellm with these keys."""

    async def ask(model: Model, text: str) -> Mapping[str, Any]:
        litellm: Any = await asyncio.to_thread(load)
        try:
            response = await litellm.aembedding(**{"input": [text], **model.extra, **keys.access(model)})
            used = response.usage.prompt_tokens if response.usage else 0
            return {"vector": response.data[0]["embedding"], "tokens_in": used}
        except faults() as error:
            reason = keys.redact(f"{type(error).__name__}: {error}")[:300]
            return {"outcome": "unavailable", "reason": reason}

    return ask
