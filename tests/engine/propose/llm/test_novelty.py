"""Novelty: a distance that is zero for one computation only, small for a number, larger for an operator."""

import itertools

import numpy as np
import pytest

from recevolve.engine.config.proposers import Propose
from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.llm.novelty import magnitude, nearest, vector
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.task import TASK
from recevolve.population.values.member import Member

SEEDS = TASK.seeds
ADAM = SEEDS["adam"]
LEAST = Propose().novelty


def changed(old: str, new: str) -> str:
    assert old in ADAM
    return ADAM.replace(old, new)


def member(name: str, source: str) -> Member:
    return Member(name, source, 0.0, name, (), 1)


def distance(a: str, b: str) -> float:
    return nearest(a, [member("b", b)])[0]


def test_spelling_is_no_distance() -> None:
    respelled = changed("mean_hat", "m").replace('"""', '"""Another text. ', 1).replace("0.005", "5e-3")
    assert distance(ADAM, respelled) == 0.0
    assert nearest(respelled, [member("lion", SEEDS["lion"]), member("adam", ADAM)]) == (0.0, "adam")


@pytest.mark.parametrize(
    ("old", "new"), [("0.005", "0.006"), ("0.005", "0.5"), ("0.9,", "0.95,"), ("1e-8", "1e-3")]
)
def test_a_number_is_a_small_step(old: str, new: str) -> None:
    assert 0.0 < distance(ADAM, changed(old, new)) < LEAST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("torch.sqrt(square_hat)", "torch.abs(square_hat)"),
        ("grad * grad", "grad * mean"),
        ("param - hp", "param + hp"),
        ('mean / (1.0 - hp["beta1"] ** step)', "mean"),
        ("* mean_hat /", "* (mean_hat + 0.1 * grad) /"),
    ],
)
def test_a_mechanism_is_a_larger_one(old: str, new: str) -> None:
    assert LEAST < distance(ADAM, changed(old, new)) < distance(ADAM, SEEDS["sgd_momentum"])


def test_a_number_moved_further_is_further() -> None:
    assert distance(ADAM, changed("0.005", "0.006")) < distance(ADAM, changed("0.005", "0.06"))


def test_it_is_a_distance() -> None:
    names = list(SEEDS)
    for a, b in itertools.product(names, names):
        assert distance(SEEDS[a], SEEDS[b]) == distance(SEEDS[b], SEEDS[a])
        assert (distance(SEEDS[a], SEEDS[b]) == 0.0) == (a == b)
        assert 0.0 <= distance(SEEDS[a], SEEDS[b]) <= 1.0
    for a, b, c in itertools.permutations(names, 3):
        assert (
            distance(SEEDS[a], SEEDS[c]) <= distance(SEEDS[a], SEEDS[b]) + distance(SEEDS[b], SEEDS[c]) + 1e-6
        )


def test_relatives_are_nearer_than_strangers() -> None:
    others = {name: distance(ADAM, source) for name, source in SEEDS.items() if name != "adam"}
    assert min(others, key=others.__getitem__) == "adamw"


def test_different_trees_are_never_at_no_distance() -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    parents = [Parent("adam", ADAM), Parent("lion", SEEDS["lion"])]
    for number in range(60):
        child = proposer.mutant(parents, np.random.Generator(np.random.Philox(number))).source
        assert canonical(child) != canonical(ADAM)
        assert 0.0 < distance(ADAM, child) < 1.0


def test_the_nearest_is_the_least_of_all_distances() -> None:
    population = [member(name, source) for name, source in SEEDS.items() if name != "adam"]
    source = changed("param - hp", "param + hp")
    far, name = nearest(source, population)
    assert far == min(distance(source, one.source) for one in population)
    assert distance(source, SEEDS[name]) == far
    assert nearest(source, ()) == (1.0, "")


@pytest.mark.parametrize("text", ["no python here", "x = (", "\x00", "(" * 9_999])
def test_what_is_no_program_is_far_from_all(text: str) -> None:
    assert distance(text, ADAM) == distance(ADAM, text) == 1.0
    assert distance(text, text) == 0.0


def test_vectors_cannot_be_spoilt() -> None:
    with pytest.raises(ValueError, match="read-only"):
        vector(ADAM)[0] = 1.0


def test_magnitudes() -> None:
    told = {
        "1": [1, 1.0],
        "1-e-1": [0.5, 0.7, 0.9],
        "1-e-2": [0.95, 0.99],
        "1-e-3": [0.999],
        "e-2": [0.01, 0.02],
        "e0": [3, 4, 2.5],
        "-e0": [-3],
        "-1-e-1": [-0.9],
        "e-8": [1e-8],
        "infinite": [float("inf")],
    }
    assert {name: {magnitude(value) for value in values} for name, values in told.items()} == {
        name: {name} for name in told
    }
