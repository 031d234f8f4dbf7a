"""Edits of programs whose leaves are items of a mapping, and whose constants are read in place."""

from collections import Counter

import pytest

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.llm.answers.gbnf import grammar
from recevolve.engine.propose.syntax.edits import borrow, idiom, replace
from recevolve.engine.propose.syntax.expr_types import spelled
from recevolve.engine.propose.syntax.graft import graft_of_donor
from recevolve.engine.propose.syntax.interpreter import slot_name
from recevolve.engine.propose.syntax.intervals import Intervals
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.engine.propose.syntax.tree import ProgramTree, Unsuitable
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.literals import numbers
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.fast import formula
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.properties import Rows, draw
from recevolve.evaluators.reward.task import TASK
from recevolve.population.island.randomness import generator

HEAD = "import numpy\n\nWEIGHTS = {'a': 2.0}\n\n\ndef reward(signals):\n"
READABLE = frozenset(one.name for one in SIMULATED.predictions)


def tree(*lines: str) -> ProgramTree:
    return ProgramTree(HEAD + "".join(f"    {line}\n" for line in lines), TASK.vocabulary)


def test_names_of_items_are_spelled_as_reads() -> None:
    assert spelled(slot_name("signals", "click")) == "signals['click']"
    assert spelled("grad") == "grad"


def test_signals_are_sites_and_leaves() -> None:
    made = tree("a = signals['click'] * WEIGHTS['a']", "return a")
    kinds = {site.text: site.kind for site in made.types().sites}
    assert kinds["signals['click']"] == "tensor"
    assert kinds["WEIGHTS['a']"] == "scalar"
    assert kinds["a"] == "tensor"
    site = made.types().sites[-1]
    assert {"a", "signals['click']", "signals['survey']"} <= set(made.leaves("tensor", site.scope))
    assert "WEIGHTS['a']" in made.leaves("scalar", site.scope)


@pytest.mark.parametrize(
    ("expression", "safe"),
    [
        ("numpy.log1p(signals['watch'])", True),
        ("numpy.sqrt(signals['click'])", True),
        ("numpy.sqrt(signals['survey'])", False),
        ("numpy.log(signals['click'])", False),
        ("numpy.log(signals['click'] + 0.1)", True),
        ("numpy.power(signals['watch'], WEIGHTS['a'])", True),
        ("numpy.power(signals['survey'], 0.5)", False),
        ("numpy.exp(signals['watch'])", False),
        ("numpy.exp(numpy.clip(signals['watch'], -5.0, 5.0))", True),
        ("1.0 / signals['survey']", False),
        ("1.0 / (1.0 + signals['click'])", True),
    ],
)
def test_ranges_of_signals_tell_what_is_safe(expression: str, safe: bool) -> None:
    assert (Intervals(tree(f"return {expression}")).unsafe == set()) == safe


def test_constants_read_in_place_come_along_with_what_is_borrowed() -> None:
    host = tree("return signals['click']")
    donor = ProgramTree(TASK.seeds["satisfaction_gated"], TASK.vocabulary)
    site = host.types().sites[-1]
    lent = next(each for each in donor.types().sites if each.role == "result")
    graft = graft_of_donor(host, site, donor, lent)
    graft.into(host, site)
    assert host.constants() == {"a": 2.0, "slope": 1.0, "middle": 0.0}
    assert check(host.text(), TASK.rules) == ()


@pytest.mark.parametrize("edit", [replace, idiom])
def test_edits_give_programs_of_the_language(edit: object) -> None:
    made = 0
    for number in range(60):
        one = tree("time = numpy.log1p(signals['watch'])", "return signals['click'] * time")
        try:
            edit(one, generator(0, "edit", number), ())  # type: ignore[operator]
        except Unsuitable:
            continue
        one.import_what_is_used(TASK.rules.modules)
        assert check(one.text(), TASK.rules) == (), one.text()
        made += 1
    assert made > 40


def test_crossover_takes_signals_from_the_other_parent() -> None:
    seen: Counter[str] = Counter()
    for number in range(60):
        one = tree("return signals['click']")
        try:
            borrow(one, generator(0, "borrow", number), [Parent("p" * 8, TASK.seeds["weighted_sum"])])
        except Unsuitable:
            continue
        one.import_what_is_used(TASK.rules.modules)
        assert check(one.text(), TASK.rules) == (), one.text()
        seen.update(name for name in READABLE if f"signals['{name}']" in one.text())
    assert set(seen) == READABLE


@pytest.mark.heavy
def test_hundreds_of_mutants_are_nearly_all_finite_and_differ() -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    seeds = [Parent(name, source) for name, source in TASK.seeds.items()]
    columns, edges = draw(SIMULATED, Rows(200, 0)), draw(SIMULATED, Rows(200, 1, edges=True))
    good, texts = 0, set()
    for number in range(300):
        rng = generator(0, "mutants", number)
        parents = [seeds[index] for index in rng.permutation(len(seeds))[:2]]
        source = canonical(proposer.mutant(parents, rng).source)
        found = formula(source, READABLE)
        assert found is not None, source
        values = [found(one) for one in (columns, edges)]
        good += all((abs(value) < 1e9).all() for value in values)
        texts.add(source)
    assert good > 285
    assert len(texts) > 200


def test_weights_are_numbers_that_a_tuner_moves() -> None:
    found = numbers(TASK.seeds["weighted_sum"], TASK.vocabulary.layout)
    assert {place.name for place in found.places} == {"click", "watch", "like", "survey"}
    moved = found.changed({place.index: 7.5 for place in found.places})
    assert moved.count("7.5") == 4
    assert check(moved, TASK.rules) == ()


def test_grammars_are_built_for_rewards() -> None:
    parents = [Parent(name, source) for name, source in TASK.seeds.items()][:2]
    for form in ("edits", "whole", "crossover"):
        assert "reward" in grammar(form, parents, TASK.rules) or form == "edits"
        assert grammar(form, parents, TASK.rules)
