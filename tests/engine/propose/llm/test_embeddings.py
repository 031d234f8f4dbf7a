"""Embeddings: recorded once, packed and read back bit by bit, compared by one product."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.engine.config.config import Budget
from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm.cost_cap import CostCap
from recevolve.engine.propose.llm.embeddings import (
    Embeddings,
    most_similar,
    packed,
    through_litellm,
    unpacked,
)
from recevolve.engine.propose.llm.keys import Keys
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.ledger import NotRecorded
from recevolve.population.archive.spending import Spending

from ....server.scripted import Server


def random(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


MODEL = Model(name="openai/vectors", input_price=2.0, output_price=0.0)


class Outside:
    """Gives vectors from a table and counts how often it is asked."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, model: Model, text: str) -> Mapping[str, Any]:
        self.asked.append(f"{model.name}: {text}")
        if text == "slow":
            await asyncio.Event().wait()
        return self.answers[text]


def embeddings(
    path: Path, outside: Outside, dollars: float = 1.0, *, replaying: bool = False
) -> tuple[Archive, Embeddings]:
    archive = Archive.create_or_open(path)
    cost_cap = CostCap(Spending(archive.connection), Budget(dollars=dollars))
    ledger = archive.ledger(replaying=replaying)
    return archive, Embeddings(MODEL, ledger, cost_cap, outside, seconds=0.05)


def test_a_packed_vector_is_the_same_to_the_bit_and_of_length_one() -> None:
    vector = random(0, (96,))
    assert base64.b64decode(packed(vector)) == vector.astype("<f4").tobytes()
    again = unpacked(packed(vector))
    assert np.linalg.norm(again) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(again * np.linalg.norm(vector), vector, rtol=1e-5)


@pytest.mark.parametrize("wrong", [[], [0.0, 0.0], [1.0, float("nan")], [float("inf")], [[1.0, 2.0]], [1e39]])
def test_what_is_no_direction_is_refused(wrong: list[float]) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="expected a vector"):
        packed(wrong)


def test_text_that_is_not_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        unpacked("not base64!")


def test_a_vector_is_asked_and_paid_for_once_and_a_failure_too(tmp_path: Path) -> None:
    outside = Outside(
        {
            "a": {"vector": [3.0, 4.0], "tokens_in": 200},
            "down": {"outcome": "unavailable", "reason": "no route"},
            "odd": {"vector": ["x"], "tokens_in": 100},
        }
    )

    async def ask(embedder: Embeddings) -> list[object]:
        return [
            None if (found := await embedder.embed(text)) is None else found.tolist()
            for text in ("a", "down", "odd", "slow", "a")
        ]

    archive, embedder = embeddings(tmp_path / "a.db", outside)
    first = asyncio.run(ask(embedder))
    assert first[1:4] == [None, None, None]
    assert first[0] == first[4] == pytest.approx([0.6, 0.8])
    assert outside.asked == [f"openai/vectors: {text}" for text in ("a", "down", "odd", "slow")]

    def outcome(text: str) -> str:
        key = {"stage": "model", "model": "openai/vectors", "input": text}
        return str((archive.ledger().recall(key) or {})["outcome"])

    assert [outcome(text) for text in ("a", "down", "odd", "slow")] == [
        "answered",
        "unavailable",
        "garbage",
        "timed_out",
    ]
    (bill,) = Spending(archive.connection).by_model().values()
    assert (bill.spend.calls, bill.spend.tokens_in) == (2, 300)
    assert bill.spend.dollars == pytest.approx(300 * 2e-6)
    assert bill.spend.unanswered > 0
    assert not Spending(archive.connection).pending()
    archive.close()

    archive, embedder = embeddings(tmp_path / "a.db", outside, replaying=True)
    assert asyncio.run(ask(embedder)) == first
    with pytest.raises(NotRecorded):
        asyncio.run(embedder.embed("b"))
    assert len(outside.asked) == 4
    archive.close()


def test_a_cap_is_an_answer(tmp_path: Path) -> None:
    outside = Outside({})
    archive, embedder = embeddings(tmp_path / "a.db", outside, dollars=1e-9)
    assert asyncio.run(embedder.embed("a")) is None
    assert outside.asked == []
    archive.close()


def test_vectors_come_from_a_server_through_litellm(tmp_path: Path) -> None:
    async def both() -> None:
        server = Server()
        base = await server.start()
        model = Model(name="openai/vectors", api_base=base)
        try:
            ask = through_litellm(Keys({}, {}))
            near, far = [await ask(model, text) for text in ("abc", "xyz")]
            assert near["tokens_in"] == 1
            assert packed(near["vector"]) != packed(far["vector"])
        finally:
            await server.stop()
        assert (await ask(model, "abc"))["outcome"] == "unavailable"

    asyncio.run(both())


def test_the_most_similar_is_the_one_of_largest_cosine() -> None:
    vectors, wanted = random(1, (100, 24)), random(2, (24,))
    assert most_similar(wanted, {}) == (-1.0, "")
    cosines = vectors @ wanted / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)
    similarity, name = most_similar(5.0 * wanted, {str(n): 3.0 * each for n, each in enumerate(vectors)})
    assert name == str(cosines.argmax())
    assert similarity == pytest.approx(cosines.max(), abs=1e-6)


def test_equals_are_named_in_order_and_dimensions_must_agree() -> None:
    one = np.ones(3, np.float32)
    assert most_similar(one, {"a": one, "b": 2.0 * one})[1] == "a"
    with pytest.raises(ValueError, match="shape"):
        most_similar(one, {"a": one, "b": np.ones(4, np.float32)})
    with pytest.raises(ValueError, match="dimension"):
        most_similar(np.ones(4, np.float32), {"a": one})
