"""Embeddings: recorded once, packed and read back bit by bit, compared by one product."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.engine.propose.embeddings import Embeddings, Index, packed, unpacked
from recevolve.population.archive import Archive
from recevolve.population.ledger import NotRecorded


def random(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Model:
    """Gives vectors from a table and counts how often it is asked."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, model: str, text: str) -> Mapping[str, Any]:
        self.asked.append(f"{model}: {text}")
        return self.answers[text]


def embeddings(path: Path, model: Model, *, replaying: bool = False) -> tuple[Archive, Embeddings]:
    archive = Archive.create_or_open(path)
    return archive, Embeddings("vectors", archive.ledger(replaying=replaying), model)


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


def test_a_vector_is_asked_for_once_and_a_failure_too(tmp_path: Path) -> None:
    model = Model(
        {
            "a": {"vector": [3.0, 4.0], "tokens_in": 2},
            "down": {"outcome": "unavailable", "reason": "no route"},
            "odd": {"vector": ["x"]},
        }
    )

    async def ask(embedder: Embeddings) -> list[object]:
        return [
            None if (found := await embedder.embed(text)) is None else found.tolist()
            for text in ("a", "down", "odd", "a")
        ]

    archive, embedder = embeddings(tmp_path / "a.db", model)
    first = asyncio.run(ask(embedder))
    assert first[1:3] == [None, None]
    assert first[0] == first[3] == pytest.approx([0.6, 0.8])
    assert model.asked == ["vectors: a", "vectors: down", "vectors: odd"]
    key = {"stage": "embedding", "model": "vectors", "text": "odd"}
    assert (archive.ledger().recall(key) or {})["outcome"] == "garbage"
    archive.close()

    archive, embedder = embeddings(tmp_path / "a.db", model, replaying=True)
    assert asyncio.run(ask(embedder)) == first
    with pytest.raises(NotRecorded):
        asyncio.run(embedder.embed("b"))
    assert len(model.asked) == 3
    archive.close()


def test_the_nearest_is_the_one_of_largest_cosine() -> None:
    vectors = random(1, (100, 24))
    index = Index()
    assert index.nearest(vectors[0]) == (-1.0, "")
    assert index.novel(vectors[0], 0.5)
    for number, vector in enumerate(vectors):
        assert index.add(str(number), 3.0 * vector)
    assert len(index) == 100
    wanted = random(2, (24,))
    cosines = vectors @ wanted / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)
    likeness, name = index.nearest(5.0 * wanted)
    assert name == str(cosines.argmax())
    assert likeness == pytest.approx(cosines.max(), abs=1e-6)


def test_what_is_too_similar_is_not_novel() -> None:
    index = Index()
    index.add("a", np.array([1.0, 0.0], np.float32))
    assert not index.novel(np.array([1.0, 0.01], np.float32), 0.995)
    assert index.novel(np.array([1.0, 0.5], np.float32), 0.995)
    assert index.novel(None, 0.995)


def test_a_name_is_added_once_and_dimensions_must_agree() -> None:
    index = Index()
    assert index.add("a", np.ones(3, np.float32))
    assert not index.add("a", np.ones(3, np.float32))
    with pytest.raises(ValueError, match="expected 3 dimensions, got 4"):
        index.add("b", np.ones(4, np.float32))
    assert len(index) == 1
