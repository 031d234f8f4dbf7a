"""Every word of the vocabulary is in the language, and gives a layer that holds what it must."""

import numpy as np
import pytest

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.graft import graft_of_idiom
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.engine.propose.syntax.tree import ProgramTree, Unsuitable
from recevolve.evaluators.interaction.properties import PROPERTIES
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.properties import examine
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.language.vocabulary import Idiom
from recevolve.evaluators.sandbox import load

HOST = (
    "import torch\n\nHYPERPARAMETERS = {}\n\n\ndef init(fields, dim, hp):\n    return {}\n\n\n"
    "def interact(x, params, hp):\n    flat = x.flatten(1)\n    other = 0.5 * flat\n    return flat + other\n"
)
ROOMY = PROPERTIES[:4] + PROPERTIES[5:]
"""All but the budget, which a matrix on a matrix may exceed."""


@pytest.mark.parametrize("template", [each.template for each in TASK.vocabulary.operators])
def test_operator(template: str) -> None:
    operator = next(each for each in TASK.vocabulary.operators if each.template == template)
    names = iter(("flat", "other"))
    words = [next(names) if kind == "tensor" else "0.5" for kind in operator.arguments]
    expression = operator.template.format(*words)
    source = HOST.replace("return flat + other", f"return flat * ({expression})")
    assert check(source, TASK.rules) == ()
    assert examine(ROOMY, load(source), 30.0) is None


@pytest.mark.parametrize("idiom", TASK.vocabulary.idioms, ids=lambda each: each.name)
def test_idiom(idiom: Idiom) -> None:
    rng = np.random.default_rng(0)
    tree = ProgramTree(HOST, TASK.vocabulary)
    sites = [each for each in tree.types().sites if tree.matches(each.kind, idiom.arguments[0])]
    if idiom.place == "result":
        sites = [each for each in sites if each.role == "result"]
    graft_of_idiom(tree, sites[-1], idiom, rng).into(tree, sites[-1])
    assert check(tree.text(), TASK.rules) == ()
    wrong = examine(ROOMY, load(canonical(tree.text())), 30.0)
    assert wrong is None or "no gradient reaches other" in wrong, wrong


def test_most_mutants_of_the_seeds_hold_every_property() -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    seeds = [Parent(name, source) for name, source in TASK.seeds.items()]
    held = 0
    for number in range(16):
        rng = np.random.Generator(np.random.Philox(key=[3, number]))
        pair = [seeds[place] for place in rng.permutation(len(seeds))[:2]]
        source = proposer.mutant(pair, rng).source
        assert check(source, TASK.rules) == ()
        held += examine(PROPERTIES, load(canonical(source)), 30.0) is None
    assert held > 11


def test_a_crossover_brings_parameters_with_their_first_values() -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    parents = [Parent(name, TASK.seeds[name]) for name in ("concatenation", "dcn_v2_low_rank")]
    sources = set()
    for number in range(20):
        rng = np.random.Generator(np.random.Philox(key=[5, number]))
        proposal = proposer.mutant(parents, rng)
        if "dcn_v2_low_rank" in proposal.parents and 'params["down1"]'.replace('"', "'") in proposal.source:
            sources.add(proposal.source)
    assert sources
    for source in sources:
        assert "'rank'" in source
        assert examine(ROOMY, load(canonical(source)), 30.0) is None


def test_a_length_without_a_name_is_left_alone() -> None:
    source = HOST.replace("return flat + other", "return flat[:, 1:4]")
    tree = ProgramTree(source, TASK.vocabulary)
    (site,) = [each for each in tree.types().sites if each.role == "result"]
    gate = next(each for each in TASK.vocabulary.idioms if each.name == "gate")
    graft_of_idiom(tree, site, gate, np.random.default_rng(0)).into(tree, site)
    assert "torch.randn(1 + 1 + 1, 1 + 1 + 1)" in tree.text()
    source = HOST.replace("return flat + other", "return flat[:, 1:100]")
    tree = ProgramTree(source, TASK.vocabulary)
    (site,) = [each for each in tree.types().sites if each.role == "result"]
    with pytest.raises(Unsuitable, match="no expression for the length 99"):
        graft_of_idiom(tree, site, gate, np.random.default_rng(0))
