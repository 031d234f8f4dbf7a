"""Embeddings: programs compared by meaning, where the config names a model that turns text into a vector.

Every vector is a recorded call, and so is every failure to get one, so a replay compares the same vectors.
They are packed as little-endian float32 in base64, a third of the size of their decimals in JSON.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...population.ledger import Key, Ledger
from .library import faults, load

Vector = NDArray[np.float32]
Ask = Callable[[str, str], Awaitable[Mapping[str, Any]]]
"""(model, text) to {"vector": numbers} or {"outcome": why, "reason": words}; all of it is recorded."""


class Embedder(Protocol):
    """A source of vectors."""

    async def embed(self, text: str) -> Vector | None:
        """The text's vector, shape (D,), of length 1; None where the model had none to give."""
        ...


def packed(vector: Sequence[float] | Vector) -> str:
    """The vector as base64 of little-endian float32. ValueError unless finite and of some direction."""
    vector_D = np.asarray(vector, "<f4")
    if vector_D.ndim != 1 or not np.isfinite(vector_D).all() or not vector_D.any():
        raise ValueError(f"expected a vector of finite numbers, not all zero, got shape {vector_D.shape}")
    return base64.b64encode(vector_D.tobytes()).decode()


def unpacked(text: str) -> Vector:
    """The vector that `packed` wrote, scaled to length 1. ValueError where the text is none."""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"expected base64, got {text[:20]!r}: {error}") from error
    vector_D = np.frombuffer(blob, "<f4").astype(np.float32)
    return np.asarray(vector_D / np.linalg.norm(vector_D.astype(np.float64)), np.float32)


class Embeddings:
    """An Embedder over a model, each answer through the ledger. `ask` is the seam to the outside."""

    def __init__(self, model: str, ledger: Ledger, ask: Ask) -> None:
        self.model = model
        self._ledger = ledger
        self._ask = ask

    async def embed(self, text: str) -> Vector | None:
        """The text's vector of length 1, recorded; None where the model had none, which is recorded too."""

        async def compute() -> Mapping[str, Any]:
            answer = dict(await self._ask(self.model, text))
            if "vector" not in answer:
                return answer
            try:
                return answer | {"vector": packed(answer["vector"]), "outcome": "answered"}
            except (ValueError, TypeError) as error:
                del answer["vector"]
                return answer | {"outcome": "garbage", "reason": str(error)}

        key: Key = {"stage": "embedding", "model": self.model, "text": text}
        answer = await self._ledger.recall_or(key, compute)
        return unpacked(answer["vector"]) if "vector" in answer else None


class Index:
    """The vectors of an island in one matrix, normalised; the nearest is found by one product."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._known: set[str] = set()
        self._matrix_ND: Vector = np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, vector_D: Vector) -> bool:
        """Whether the name is new, and its vector now in the index. ValueError for other dimensions."""
        if name in self._known:
            return False
        if self._names and len(vector_D) != self._matrix_ND.shape[1]:
            raise ValueError(f"expected {self._matrix_ND.shape[1]} dimensions, got {len(vector_D)}")
        if len(self._names) == len(self._matrix_ND):
            larger_ND = np.zeros((max(32, 2 * len(self._names)), len(vector_D)), np.float32)
            larger_ND[: len(self._names)] = self._matrix_ND.reshape(-1, len(vector_D))
            self._matrix_ND = larger_ND
        self._matrix_ND[len(self._names)] = vector_D / np.linalg.norm(vector_D)
        self._names.append(name)
        self._known.add(name)
        return True

    def nearest(self, vector_D: Vector) -> tuple[float, str]:
        """(cosine of the most similar vector, its name), the first of equals; (-1.0, "") where empty."""
        if not self._names:
            return -1.0, ""
        cosines_N = self._matrix_ND[: len(self._names)] @ (vector_D / np.linalg.norm(vector_D))
        place = int(cosines_N.argmax())
        return float(cosines_N[place]), self._names[place]

    def novel(self, vector_D: Vector | None, similarity: float) -> bool:
        """Whether no vector is as similar as that or more. What has no vector counts as new."""
        return vector_D is None or self.nearest(vector_D)[0] < similarity


async def through_litellm(model: str, text: str) -> Mapping[str, Any]:
    """One text's vector and the tokens that it took, by litellm; or the outcome where the model gave none."""
    try:
        response = await load().aembedding(model=model, input=[text], max_retries=0)
        used = response.usage.prompt_tokens if response.usage else 0
        return {"vector": response.data[0]["embedding"], "tokens_in": used}
    except faults() as error:
        return {"outcome": "unavailable", "reason": f"{type(error).__name__}: {error}"[:300]}
