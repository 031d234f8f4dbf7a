"""Shapes that are told without running anything are those that torch gives."""

import ast

import pytest
import torch

from recevolve.engine.propose.syntax.interpreter import slot_name
from recevolve.engine.propose.syntax.shapes import Shapes, Sized, kind_of, pattern, shape_of, written
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.language.vocabulary import Layout, Sizes
from recevolve.evaluators.sandbox import load

LAYOUT = TASK.vocabulary.layout
SIZES = Sizes(inputs={"x": (6, 5, 3)}, lengths={"fields": 5, "dim": 3})

EXPRESSIONS = (
    "x", "x.flatten(1)", "x.flatten(0, 1)", "x.reshape(x.shape[0], -1)", "x.reshape((6, 15))", "x.mT",
    "x.transpose(1, 2)", "x.permute(2, 0, 1)", "x.unsqueeze(-1)", "x.unsqueeze(1)", "x.sum(dim=1).squeeze(1)",
    "x.sum(dim=1, keepdim=True).squeeze(1)", "x.sum()", "x.mean(dim=(1, 2))", "x.amax(dim=-1)",
    "torch.sum(x, dim=2, keepdim=True)", "torch.logsumexp(x, dim=1)", "torch.softmax(x, dim=-1)",
    "torch.layer_norm(x, (x.shape[2],))", "torch.bmm(x, x.transpose(1, 2))", "x @ x.mT", "x @ x[0].mT",
    "x[0] @ x[1].mT", "x[:, 0]", "x[:, 1:3]", "x[:, -1]", "x[0]", "x[:, None]", "x[:, :, 0] @ x[0]",
    "torch.cat([x, x], dim=1)", "torch.cat((x.flatten(1), x[:, 0]), dim=1)", "torch.stack([x, x], dim=1)",
    "torch.stack([x, x], dim=-1)", "x * x[:, :1]", "x + 1.0", "2.0 * x", "-x", "torch.relu(x)", "x.sigmoid()",
    "torch.where(x > 0.0, x, 0.0)", "torch.maximum(x, x[:, :1])", "torch.clamp(x, min=0.0)",
    "x / x.shape[2] ** 0.5",
    "x.flatten(1).index_select(1, torch.triu_indices(5, 5, 1)[0])", "torch.triu_indices(4, 4, 1)",
    "torch.tril_indices(4, 5, 0)", "x[:, : x.shape[1] // 2]", "x.exp() if 1.0 > 0.5 else x",
)  # fmt: skip


def told(expression: str) -> object:
    function = ast.parse(f"def interact(x, params, hp):\n    return {expression}\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    statement = function.body[0]
    assert isinstance(statement, ast.Return)
    return Shapes(function, LAYOUT, {"x": Sized((6, 5, 3))}, {}).values[id(statement.value)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_shape_is_what_torch_gives(expression: str) -> None:
    result = eval(expression, {"torch": torch, "x": torch.rand(6, 5, 3)})
    assert told(expression) == Sized(tuple(result.shape), not result.is_floating_point())


@pytest.mark.parametrize(
    "expression",
    [
        "x @ x",
        "x + x.mT",
        "torch.cat([x, x.mT], dim=1)",
        "x.reshape(6, 4)",
        "x[7]",
        "y",
        "x.flatten(1)[9, 99]",
    ],
)
def test_what_does_not_fit_is_not_known(expression: str) -> None:
    assert told(expression) is None


@pytest.mark.parametrize("name", TASK.seeds)
def test_parameters_and_locals_of_a_seed_are_told(name: str) -> None:
    namespace = load(TASK.seeds[name])
    functions = {n.name: n for n in ast.parse(TASK.seeds[name]).body if isinstance(n, ast.FunctionDef)}
    hp = namespace["HYPERPARAMETERS"]
    slots = Shapes(functions["init"], LAYOUT, {"fields": 5, "dim": 3}, hp).slots
    params = namespace["init"](5, 3, hp)
    assert {key: value.shape for key, value in slots.items()} == {
        key: tuple(value.shape) for key, value in params.items()
    }
    body = functions["interact"]
    last = body.body[-1]
    assert isinstance(last, ast.Return)
    assert last.value is not None
    held = {slot_name("params", key): value for key, value in slots.items()}
    found = Shapes(body, LAYOUT, {"x": Sized((6, 5, 3)), **held}, hp)
    assert found.values[id(last.value)].shape == namespace["interact"](torch.rand(6, 5, 3), params, hp).shape


def test_branches_agree_or_nothing_is_known() -> None:
    text = "def interact(x, params, hp):\n    a = x\n    b = x\n    if x.shape[0] > 1:\n        a = x.mT\n"
    function = ast.parse(text + "    for _ in range(2):\n        b = b @ x.mT @ x\n    return a, b\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    found = Shapes(function, Layout("interact"), {"x": Sized((6, 5, 3))}, {})
    named = {n.id: found.values[id(n)] for n in ast.walk(function.body[-1]) if isinstance(n, ast.Name)}
    assert named == {"a": None, "b": Sized((6, 5, 3))}


def test_kinds_name_shapes() -> None:
    assert kind_of(Sized((6, 5, 3))) == "tensor 6x5x3"
    assert shape_of("tensor 6x5x3") == (6, 5, 3)
    assert kind_of(Sized((2,), True)) is None
    assert kind_of(3) is None
    assert kind_of(0.5) == "scalar"
    assert shape_of("scalar") is None
    assert [pattern(kind, 6) for kind in ("tensor 6x5x3", "tensor 6x7", "tensor 5x3", "scalar", None)] == [
        "cube",
        "matrix",
        "tensor 5x3",
        "scalar",
        None,
    ]


@pytest.mark.parametrize("length", [5, 3, 15, 25, 10, 8, 4, 30, 9])
def test_a_length_is_written_so_that_it_is_one(length: int) -> None:
    text = written(length, SIZES, {"rank": 4}, "hp")
    assert text is not None
    assert eval(text, {"fields": 5, "dim": 3, "hp": {"rank": 4}}) == length


def test_a_length_that_nothing_adds_up_to_is_not_written() -> None:
    sizes = TASK.vocabulary.sizes
    assert sizes is not None
    assert written(97, sizes, {"rank": 16}, "hp") is None
    assert written(2 * sizes.lengths["fields"] * sizes.lengths["dim"], sizes, {}, "hp") is not None
