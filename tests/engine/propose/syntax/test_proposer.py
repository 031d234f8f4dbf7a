"""The syntax proposer: every product parses, obeys the rules, is new, and is told in words that are true."""

import ast
import asyncio
import re
from collections import Counter

import numpy as np
import pytest

from recevolve.engine.loop.proposer import NoProposal, Parent, Place, Proposal, Request
from recevolve.engine.propose.syntax import edits
from recevolve.engine.propose.syntax.edits import Edit
from recevolve.engine.propose.syntax.proposer import EDITS, SyntaxProposer
from recevolve.engine.propose.syntax.tree import ProgramTree, Unsuitable
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.language.vocabulary import Layout, Vocabulary
from recevolve.evaluators.optimizer.properties import PROPERTIES
from recevolve.evaluators.optimizer.task import TASK

SEEDS = [Parent(name, source) for name, source in TASK.seeds.items()]
PROPOSER = SyntaxProposer(TASK.vocabulary, TASK.rules)


def generator(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(number))


def mutant(number: int, parents: list[Parent] | None = None) -> tuple[list[Parent], Proposal]:
    rng = generator(number)
    chosen = parents or [SEEDS[index] for index in rng.choice(len(SEEDS), 2, replace=False)]
    return chosen, PROPOSER.mutant(chosen, rng)


@pytest.mark.heavy
def test_mutants_are_new_programs_that_obey_the_rules() -> None:
    sources = set()
    for number in range(500):
        parents, proposal = mutant(number)
        assert check(proposal.source, TASK.rules) == ()
        assert canonical(proposal.source) not in {canonical(parent.source) for parent in parents}
        assert proposal.made_by == "syntax"
        assert proposal.parents[0] == parents[0].program_id
        assert set(proposal.parents) <= {parent.program_id for parent in parents}
        assert proposal.explanation.strip()
        assert "\n" not in proposal.explanation
        sources.add(canonical(proposal.source))
    assert len(sources) > 430


@pytest.mark.heavy
def test_generations_of_mutants_keep_their_health() -> None:
    """Mutants of mutants: nothing degenerates into what no edit can use."""
    population = list(SEEDS)
    for number in range(250):
        rng = generator(number)
        parents = [population[index] for index in rng.choice(len(population), 2, replace=False)]
        proposal = PROPOSER.mutant(parents, rng)
        assert check(proposal.source, TASK.rules) == ()
        population[int(rng.integers(len(population)))] = Parent(str(number), proposal.source)
    assert len({canonical(each.source) for each in population}) == len(population)


def test_a_proposal_is_a_function_of_parents_and_generator() -> None:
    async def ask() -> Proposal:
        request = Request(Place(0, 1, 2), tuple(SEEDS[:2]), generator(3))
        return await SyntaxProposer(TASK.vocabulary, TASK.rules).propose(request)

    assert asyncio.run(ask()) == asyncio.run(ask()) == PROPOSER.mutant(SEEDS[:2], generator(3))


@pytest.mark.heavy
@pytest.mark.parametrize("count", [50, pytest.param(3_000, marks=pytest.mark.slow)])
def test_most_mutants_have_the_properties_of_the_kind(count: int) -> None:
    from recevolve.evaluators.kinds.properties import examine
    from recevolve.evaluators.sandbox import load

    ends: Counter[str] = Counter()
    for number in range(count):
        text = examine(PROPERTIES, load(mutant(number)[1].source), 60.0) or "every property holds"
        ends[text.partition(":")[0]] += 1
    assert ends["every property holds"] >= 0.7 * count, ends
    assert ends["parameter and state keep their form"] <= 0.03 * count, ends
    assert ends["stays finite on zero, tiny and huge gradients"] <= 0.05 * count, ends


EACH = list(EDITS)
HOST = """
import torch
HYPERPARAMETERS = {"lr": 0.1, "beta": 0.9, "eps": 1e-08}


def init(param):
    return {"m": torch.zeros_like(param), "dead": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    m = hp["beta"] * state["m"] + 0.3 * grad
    m = m * 1.0
    if step > 1:
        m = m + grad
    scale = hp["lr"] / (torch.sqrt(m * m) + hp["eps"])
    return param - scale * m, {"m": m, "dead": state["dead"]}
"""


@pytest.mark.parametrize("edit", EACH, ids=[edit.__name__ for edit in EACH])
def test_every_edit_works_and_tells_what_it_did(edit: Edit) -> None:
    """Texts in backquotes are, where they name code, in the program before or after."""
    done = 0
    for number in range(60):
        tree = ProgramTree(HOST, TASK.vocabulary)
        before = tree.text()
        try:
            change = edit(tree, generator(number), SEEDS)
        except Unsuitable:
            assert tree.text() == before
            continue
        after = tree.text()
        ast.parse(after)
        assert after != before
        assert change.lender is None or change.lender in {seed.program_id for seed in SEEDS}
        known = flat(before) + flat(after) + "".join(flat(seed.source) for seed in SEEDS)
        for quoted in re.findall(r"`([^`]+)`", change.words):
            for line in quoted.split("; "):
                assert flat(line) in known or quoted.startswith("state ") or quoted in tree.constants(), (
                    change
                )
        done += 1
    assert done >= 20


def flat(text: str) -> str:
    """A text without what does not matter when it is looked up in another."""
    return re.sub(r"[\s()]", "", text).replace('"', "'")


def test_words_of_a_replacement_name_the_old_and_the_new() -> None:
    tree = ProgramTree(HOST, TASK.vocabulary)
    before = tree.text()
    words = edits.replace(tree, generator(1), []).words
    old, new = re.findall(r"`([^`]+)`", words)
    assert old in before
    assert new in tree.text()
    assert words == f"replaced `{old}` by `{new}` in update"


def test_words_of_a_constant_name_its_values() -> None:
    tree = ProgramTree(HOST, TASK.vocabulary)
    before = tree.constants()
    words = edits.scale_constant(tree, generator(2), []).words
    after = tree.constants()
    (key,) = (key for key in before if before[key] != after[key])
    assert words == f"scaled HYPERPARAMETERS `{key}` from {before[key]!r} to {after[key]!r}"


def test_simplify_tells_what_it_removed() -> None:
    tree = ProgramTree(HOST, TASK.vocabulary)
    words = edits.simplify(tree, generator(1), []).words
    assert words == "removed what did nothing: `m * 1.0`, `state 'dead'`"
    assert "dead" not in tree.text()


def test_crossover_brings_what_the_part_needs() -> None:
    sgd, adam = Parent("sgd", TASK.seeds["sgd_momentum"]), Parent("adam", TASK.seeds["adam"])
    brought = set()
    for number in range(40):
        tree = ProgramTree(sgd.source, TASK.vocabulary)
        try:
            change = edits.splice(tree, generator(number), [adam])
        except Unsuitable:
            continue
        assert check(tree.text(), TASK.rules) == ()
        assert change.lender == "adam"
        assert set(tree.slots()) >= {"velocity"}
        brought |= set(tree.slots()) - {"velocity"}
    assert brought == {"mean", "square"}


def test_idioms_take_fresh_names() -> None:
    source = TASK.seeds["adam"]
    for number in range(40):
        tree = ProgramTree(source, TASK.vocabulary)
        edits.idiom(tree, generator(number), [])
        edits.idiom(tree, generator(number), [])
        keys = re.findall(r"'(\w+)': torch.zeros_like", tree.text())
        assert len(keys) == len(set(keys))
        assert check(tree.text(), TASK.rules) == ()


@pytest.mark.parametrize("value", [0.9, 0.999, 0.0, 1e-8, 0.1, 3.0, -2.0, 1.0])
def test_numbers_move_within_their_bounds(value: float) -> None:
    low, high = TASK.vocabulary.layout.bounds_of("beta2" if 0.5 < value < 1.0 else "other", value)
    seen = set()
    for number in range(200):
        try:
            new = edits.moved(value, (low, high), generator(number))
        except Unsuitable:
            continue
        assert low <= new <= high
        assert new != value
        assert len(repr(new)) <= 10
        seen.add(new)
    assert len(seen) > 20


def test_a_program_of_another_form_is_refused_clearly() -> None:
    with pytest.raises(Unsuitable, match="no function 'update'"):
        ProgramTree("x = 1\n", TASK.vocabulary)


def test_nothing_to_say_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recevolve.engine.propose.syntax.proposer.EDITS", {edits.simplify: 1.0})
    with pytest.raises(NoProposal, match="gave nothing new"):
        PROPOSER.mutant([SEEDS[0]], generator(0))


def test_a_kind_without_state_and_constants_is_edited_too() -> None:
    vocabulary = Vocabulary(Layout("f"), TASK.vocabulary.operators, {"x": "tensor", "y": "tensor"})
    source = "import torch\n\n\ndef f(x, y):\n    a = torch.abs(x)\n    return a + 0.5 * y\n"
    rules = type(TASK.rules)(
        {"f": ("x", "y")}, (), TASK.rules.modules, TASK.rules.methods, TASK.rules.builtins
    )
    proposer = SyntaxProposer(vocabulary, rules)
    for number in range(100):
        assert check(proposer.mutant([Parent("p", source)], generator(number)).source, rules) == ()
