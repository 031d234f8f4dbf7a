"""Each edit of a layer can be undone alone, and takes the parameters that only it read with it."""

import numpy as np

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.north_star.ast_diff import hunks, together, undo
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.interaction.properties import PROPERTIES
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.properties import examine
from recevolve.evaluators.language.canonical import canonical, syntax_hash
from recevolve.evaluators.language.simplify import simplify
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import load

LAYOUT = TASK.vocabulary.layout
OLD = canonical(TASK.seeds["dcn_v2_low_rank"])
BODY = OLD[OLD.index("def interact") :]
WINNER = (
    OLD.replace("'scale': 1.0", "'scale': 2.0, 'squeezed': 4")
    .replace("return {", "return {'squeeze': torch.randn(fields, hp['squeezed']), "
             "'excite': torch.randn(hp['squeezed'], fields), ")
    .replace("v0 = x.flatten(1)", "g = torch.sigmoid(x.mean(dim=2) @ params['squeeze'] @ params['excite'])\n"
             "    v0 = (x * g.unsqueeze(2)).flatten(1)")
)  # fmt: skip


def undone(old: str, new: str) -> list[str]:
    """The new program with each of its edits undone alone, with what cannot be told from it."""
    found = hunks(old, new, LAYOUT.constants_parameter)
    sets = {together(found, number) for number in range(len(found))}
    return [simplify(undo(old, new, one, LAYOUT.constants_parameter), LAYOUT) for one in sets]


def test_a_gate_goes_with_its_parameters() -> None:
    assert check(WINNER, TASK.rules) == ()
    assert examine(PROPERTIES, load(WINNER), 30.0) is None
    without = undone(OLD, WINNER)
    assert all(check(source, TASK.rules) == () for source in without)
    hashes = {syntax_hash(source) for source in without}
    assert syntax_hash(OLD.replace("'scale': 1.0", "'scale': 2.0")) in hashes  # the gate and all that it read
    assert syntax_hash(WINNER.replace("'scale': 2.0", "'scale': 1.0")) in hashes
    assert all("squeeze" not in source for source in without if "sigmoid" not in source)


def test_most_edits_of_bred_layers_can_be_undone_alone() -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    seeds = [Parent(name, source) for name, source in TASK.seeds.items()]
    held = total = 0
    for number in range(6):
        rng = np.random.Generator(np.random.Philox(key=[17, number]))
        pair = [seeds[place] for place in rng.permutation(len(seeds))[:2]]
        child = proposer.mutant(pair, rng).source
        for source in undone(pair[0].source, child)[:6]:
            total += 1
            held += not check(source, TASK.rules) and examine(PROPERTIES, load(source), 30.0) is None
    assert total > 6
    assert held > 0.7 * total
