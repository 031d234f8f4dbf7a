"""What the interpreter says of an expression without running it is what running it gives."""

import ast
import math
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recevolve.engine.propose.syntax.intervals import ANY, Intervals
from recevolve.engine.propose.syntax.tree import ProgramTree
from recevolve.evaluators.language.edit import Unsuitable
from recevolve.evaluators.optimizer.task import TASK

EMPTY = """import torch
HYPERPARAMETERS = {'lr': 0.1, 'decay': 0.9}


def init(param):
    return {'mean': torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    if step > 1:
        base = torch.abs(grad)
    else:
        base = grad * grad
    for _ in range(2):
        base = torch.sqrt(base)
    result = EXPRESSION
    return result, {'mean': state['mean']}
"""
SHAPE = (3, 4)


def grown(seed: int) -> tuple[ProgramTree, str]:
    """A program with a random expression of two operations over all that is in scope, and its kind."""
    rng = np.random.Generator(np.random.Philox(seed))
    bare = ProgramTree(EMPTY.replace("EXPRESSION", "base"), TASK.vocabulary)
    (site,) = (each for each in bare.types().sites if ast.unparse(each.statement) == "result = base")
    text = ""
    while not text:
        with suppress(Unsuitable):  # nothing in scope is a mask, which some operations need
            text = bare.grow("tensor" if seed % 3 else "scalar", site.scope, rng, 2)
    tree = ProgramTree(EMPTY.replace("EXPRESSION", text), TASK.vocabulary)
    return tree, tree.types().roles().get("result", "")


def run(tree: ProgramTree, seed: int) -> Any:
    """What the program returns on random inputs."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [3.0 * torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(2)]
    namespace: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(tree.text(), namespace)
        state = namespace["init"](inputs[1])
        step = 1 + seed % 3
        return namespace["update"](inputs[0], state, inputs[1], step, namespace["HYPERPARAMETERS"])[0]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_types_and_ranges_hold_when_the_program_runs(seed: int) -> None:
    tree, kind = grown(seed)
    # a value wholly above the upper bound of a clamp is taken to stay there, and recorded runs drew by that
    assume("clamp" not in tree.text())
    found = Intervals(tree).first
    assert found is not None
    value = run(tree, seed)
    assert not kind or isinstance(value, torch.Tensor) == (kind not in ("scalar", "int")), (tree.text(), kind)
    if kind == "tensor":
        assert value.shape == SHAPE
    numbers = torch.as_tensor(value, dtype=torch.float64).flatten().tolist()
    low, high = found.range
    slack = 1e-9 * max(1.0, *(abs(end) for end in found.range if math.isfinite(end)), 1.0)
    for number in numbers:
        if math.isfinite(number):
            assert low - slack <= number <= high + slack, (tree.text(), found.range, number)


def test_much_is_claimed_so_that_it_can_be_wrong() -> None:
    claims = [(kind, Intervals(tree).first) for tree, kind in map(grown, range(200))]
    kinds = [kind for kind, _ in claims]
    ranges = [found.range for _, found in claims if found]
    assert min(kinds.count("tensor"), kinds.count("scalar")) >= 40
    assert sum(one != ANY for one in ranges) >= 60
    assert sum(all(map(math.isfinite, one)) for one in ranges) >= 20
