"""Properties: each is broken by a program that breaks it, and the reason says what to do."""

import re

import pytest

from recevolve.evaluators.interaction.properties import PROPERTIES, Example, permutation, probe
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.properties import behaviour, examine
from recevolve.evaluators.sandbox import load

HEAD = "import math\nimport torch\nHYPERPARAMETERS = {}\n"
EMPTY = "def init(fields, dim, hp):\n    return {}\n"
PLAIN = "def interact(x, params, hp):\n    return x.flatten(1)\n"


def init(value: str, name: str = "w") -> str:
    return f'def init(fields, dim, hp):\n    return {{"{name}": {value}}}\n'


def body(*lines: str) -> str:
    return "def interact(x, params, hp):\n" + "".join(f"    {line}\n" for line in lines)


SCALE = body("return x.flatten(1) * params['w']")
BROKEN = {
    "hyperparameters no dict": (HEAD.replace("{}", "(1.0,)") + EMPTY + PLAIN, "must be a dict"),
    "hyperparameter a boolean": (HEAD.replace("{}", '{"a": True}') + EMPTY + PLAIN, "finite number"),
    "hyperparameter infinite": (HEAD.replace("{}", '{"a": 1e999}') + EMPTY + PLAIN, "finite number"),
    "hyperparameter of the export's": (HEAD.replace("{}", '{"dim": 1.0}') + EMPTY + PLAIN, "identifier"),
    "unknown claim": (HEAD + 'PERMUTATION = "any"\n' + EMPTY + PLAIN, "must be one of invariant"),
    "parameters no dict": (HEAD + EMPTY.replace("{}", "(1,)") + PLAIN, "init must return a dict"),
    "name of the module's": (HEAD + init("torch.ones(1)", "training") + SCALE, "torch.nn.Module"),
    "name that is none": (HEAD + init("torch.ones(1)", "a.b") + SCALE, "identifier"),
    "double parameter": (HEAD + init("torch.ones(1).double()") + SCALE, "must be a float32 tensor"),
    "number as parameter": (HEAD + init("1.0") + SCALE, "must be a float32 tensor"),
    "empty parameter": (HEAD + init("torch.ones(0)") + SCALE, "must have elements"),
    "infinite parameter": (HEAD + init("torch.ones(1) / 0.0") + SCALE, "all of them finite"),
    "own random numbers": (
        HEAD + "import random\n" + init("torch.ones(1) * random.random()") + SCALE,
        "other parameters for the same seed",
    ),
    "three axes": (HEAD + EMPTY + body("return x"), r"must return shape \(B, K\)"),
    "one axis": (HEAD + EMPTY + body("return x.sum(dim=(1, 2))"), r"must return shape \(B, K\)"),
    "no columns": (HEAD + EMPTY + body("return x.flatten(1)[:, :0]"), r"must return shape \(B, K\)"),
    "double output": (HEAD + EMPTY + body("return x.flatten(1).double()"), "must return a float32 tensor"),
    "columns by the batch": (
        HEAD + EMPTY + body("return x.flatten(1)[:, :2] if len(x) > 1 else x.flatten(1)[:, :1]"),
        "as many columns",
    ),
    "fails for one row": (HEAD + EMPTY + body("return x.squeeze().flatten(1)"), "Error|shape"),
    "needs an even number of fields": (
        HEAD + EMPTY + body("return x.reshape(x.shape[0], 2, -1).sum(dim=1)"),
        "Error",
    ),
    "makes ones": (HEAD + EMPTY + body("return x.flatten(1) + torch.ones(1)"), "makes a tensor of its own"),
    "draws noise": (HEAD + EMPTY + body("return torch.rand_like(x).flatten(1)"), "draws numbers of its own"),
    "too many parameters": (
        HEAD + init("torch.randn(fields * dim, 3 * fields * dim)")
        + body("return x.flatten(1) @ params['w']"),
        "numbers to train",
    ),
    "too many operations": (
        HEAD + init("torch.randn(fields * dim, fields * dim)")
        + body("y = x.flatten(1)", "for _ in range(4):", "    y = y @ params['w']", "return y"),
        "operations per row",
    ),
    "too many outputs": (
        HEAD + EMPTY
        + body("y = x.flatten(1)", "return (y[:, :, None] * y[:, None]).repeat(1, 2, 2).flatten(1)"),
        "one per output included",
    ),
    "writes x": (HEAD + EMPTY + body("x *= 2.0", "return x.flatten(1)"), "changed its input x"),
    "writes a parameter": (
        HEAD + init("torch.ones(1)") + body("params['w'] += 1.0", "return x.flatten(1) * params['w']"),
        "changed its input w",
    ),
    "writes params": (
        HEAD + init("torch.ones(1)")
        + body("params['w'] = params['w'] * 2.0", "return x.flatten(1) * params['w']"),
        "changed its input params",
    ),
    "writes hp": (HEAD + EMPTY + body("hp['a'] = 1.0", "return x.flatten(1)"), "changed its input hp"),
    "remembers": (
        HEAD + "SEEN = [0]\n" + EMPTY + body("SEEN[0] += 1", "return x.flatten(1) * float(SEEN[0])"),
        "keep nothing between",
    ),
    "batch mean": (HEAD + EMPTY + body("return (x - x.mean(dim=0)).flatten(1)"), "other rows were others"),
    "place in the batch": (
        HEAD + EMPTY + body("return torch.cat([x[:1] * 2.0, x[1:]]).flatten(1)"),
        "row's output changed",
    ),
    "batch size": (HEAD + EMPTY + body("return x.flatten(1) * float(len(x))"), "row's output changed"),
    "false claim": (HEAD + 'PERMUTATION = "invariant"\n' + EMPTY + PLAIN, "drop the line"),
    "false claim of moving": (
        HEAD + 'PERMUTATION = "equivariant"\n' + EMPTY + body("return x.sum(dim=1)"),
        "drop the line",
    ),
    "divides by zero": (
        HEAD + EMPTY + body("return x.flatten(1) / x.abs().sum(dim=(1, 2)).unsqueeze(1)"),
        "not finite",
    ),
    "overflows": (HEAD + EMPTY + body("return torch.exp(x.flatten(1))"), "not finite"),
    "root of zero": (
        HEAD + EMPTY + body("return torch.sqrt(x * x).flatten(1)"),
        "gradient of x is not finite",
    ),
    "parameter unused": (HEAD + init("torch.ones(1)") + PLAIN, "no gradient reaches w"),
    "x unused": (
        HEAD + init("torch.ones(1, 1)") + body("return params['w'] + 0.0 * x.flatten(1)"),
        "no gradient reaches x",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_program_is_refused_in_words(name: str) -> None:
    source, words = BROKEN[name]
    wrong = examine(PROPERTIES, load(source), 20.0)
    assert wrong is not None
    assert re.search(words, wrong), wrong


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HEAD + EMPTY + body("return x.sum(dim=1)"), "invariant"),
        (HEAD + EMPTY + PLAIN, "equivariant"),
        (HEAD + EMPTY + body("return (x - x.mean(dim=1, keepdim=True)).flatten(1)"), "equivariant"),
        (HEAD + EMPTY + body("return x[:, 0] * x[:, 1]"), "ordered"),
        (TASK.seeds["dcn_v2"], "ordered"),
        (TASK.seeds["fm"], "invariant"),
    ],
)
def test_permutations_are_told(source: str, expected: str) -> None:
    for seed in (0, 2):
        assert permutation(load(source), Example(8, 5, 3, seed)) == expected
    claim = f"PERMUTATION = {expected!r}\n" + source.replace("PERMUTATION", "OTHER")
    if expected != "ordered":
        assert examine(PROPERTIES, load(claim), 20.0) is None


@pytest.mark.parametrize("name", TASK.seeds)
def test_probe_repeats_and_does_not_depend_on_earlier_calls(name: str) -> None:
    first, second = load(TASK.seeds[name]), load(TASK.seeds[name])
    examine(PROPERTIES, second, 20.0)
    assert behaviour(probe(first)) == behaviour(probe(second))


def test_probe_sees_what_starts_at_zero() -> None:
    plain = HEAD + EMPTY + PLAIN
    added = HEAD + init("torch.zeros(fields * dim)") + body("return x.flatten(1) * (1.0 + params['w'])")
    assert behaviour(probe(load(plain))) != behaviour(probe(load(added)))
