"""The rule in place: the same numbers as the rule, nothing written that is read later, and no gradient."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from recevolve.evaluators.kinds.task import Winner
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.patch.export import export
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load

SHAPES = ((), (5,), (4, 3), (30, 8))
STEPS = 12
ONE_SLOT = '{"slot": torch.zeros_like(param)}'
TWO_SLOTS = '{"one": torch.zeros_like(param), "two": torch.ones_like(param)}'
LR = 'hp["lr"]'


def program(body: str, init: str = ONE_SLOT, helpers: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return (
        f'import math\nimport torch\n\nHYPERPARAMETERS = {{"lr": 0.1}}\n\n{helpers}\n'
        f"def init(param):\n    return {init}\n\n\ndef update(grad, state, param, step, hp):\n{lines}"
    )


def module_of(source: str) -> tuple[str, dict[str, Any]]:
    text = export(Winner("evolved", source, {}))["evolved.py"]
    namespace: dict[str, Any] = {}
    exec(compile(text, "evolved.py", "exec"), namespace)
    return text, namespace


def gradients(step: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(step)
    grads = [torch.randn(shape, generator=rng) * 10.0 ** (step % 3 - 2) for shape in SHAPES]
    grads[3][1::2] = 0.0
    return grads


def compare(source: str, block: int | None = None) -> str:
    """The module's text, after it was held against the program over some steps."""
    text, module = module_of(source)
    if block is not None:
        module["_BLOCK"] = block
    found: Mapping[str, Any] = load(source)
    rng = torch.Generator().manual_seed(0)
    expected = [torch.randn(shape, generator=rng) for shape in SHAPES]
    states = [found["init"](param) for param in expected]
    params = [torch.nn.Parameter(param.clone()) for param in expected]
    optimizer = module["Evolved"](params)
    hp = found["HYPERPARAMETERS"]
    for step in range(1, STEPS + 1):
        for index, (param, grad) in enumerate(zip(params, gradients(step), strict=True)):
            param.grad = grad
            expected[index], states[index] = found["update"](grad, states[index], expected[index], step, hp)
        optimizer.step()
        for param, grad in zip(params, gradients(step), strict=True):
            assert param.grad is not None
            assert torch.equal(param.grad, grad), "a gradient was written"
    exact = "equal bit by bit" in text and block is None
    for index, param in enumerate(params):
        pairs = [(param.detach(), expected[index])]
        pairs += [(optimizer.state[param][name], value) for name, value in states[index].items()]
        for mine, theirs in pairs:
            torch.testing.assert_close(mine, theirs, rtol=0.0 if exact else 1e-5, atol=0.0 if exact else 1e-6)
    return text


@pytest.mark.parametrize("name", TASK.seeds)
def test_every_seed_steps_as_it_is_written(name: str) -> None:
    text = compare(canonical(TASK.seeds[name]))
    assert "torch._foreach_" in text


@pytest.mark.parametrize("name", TASK.seeds)
def test_blocks_of_rows_step_as_the_whole(name: str) -> None:
    assert compare(canonical(TASK.seeds[name]), block=40)


RULES = {
    "slots change places": program(
        f'return param - {LR} * state["one"], {{"one": state["two"], "two": state["one"] + grad}}', TWO_SLOTS
    ),
    "slots are exchanged as they are": program(
        f'return param - {LR} * grad, {{"one": state["two"], "two": state["one"]}}', TWO_SLOTS
    ),
    "a slot keeps the gradient": program(f'return param - {LR} * state["slot"], {{"slot": grad}}'),
    "a slot keeps the old weights": program(
        f'return param - {LR} * grad + 0.1 * (param - state["slot"]), {{"slot": param}}', '{"slot": param}'
    ),
    "a slot keeps the new weights": program(
        f'new = param - {LR} * grad\nreturn new, {{"slot": 0.5 * (new + state["slot"])}}'
    ),
    "another name is read after a change": program(
        f'a = state["slot"]\nb = a + grad\nc = b * 2.0\nreturn param - {LR} * (a + b + c), {{"slot": b}}'
    ),
    "a change in one branch": program(
        'x = state["slot"]\nif step > 3:\n    x = x * 0.5\n    y = x + grad\nelse:\n    y = grad\n'
        f'return param - {LR} * (x + y), {{"slot": x + grad}}'
    ),
    "a return in one branch": program(
        'if step == 2:\n    return param, {"slot": state["slot"] + 1.0}\n'
        f'new = state["slot"] * 0.5 + grad\nreturn param - {LR} * new, {{"slot": new}}'
    ),
    "a scaled value is read before and after its tensor changes": program(
        'x = state["slot"] + grad\nhalf = x / 2.0\na = param - 0.1 * half\nx = x * grad\n'
        f'return a - {LR} * (half + x), {{"slot": half * 0.5}}'
    ),
    "a scaled value of another one": program(
        f"rate = 0.5\na = grad * rate\nrate = {LR}\nb = a / 3.0\nif step > 2:\n    b = b * 2.0\n"
        'return param - rate * b - rate * a * grad, {"slot": state["slot"] + b}'
    ),
    "a scaled value in one branch": program(
        f'x = grad\nif step > 2:\n    x = state["slot"] / 2.0\n'
        f'return param - {LR} * x, {{"slot": state["slot"] + grad}}'
    ),
    "a mask": program(
        'keep = (grad > 0.0) & (torch.abs(grad) < 1.0)\nnew = torch.where(keep, grad, state["slot"])\n'
        f'return param - {LR} * torch.where(grad == 0.0, 0.0, new) * keep, {{"slot": new}}'
    ),
    "a choice of forms": program(
        "size = torch.mean(grad * grad, dim=-1, keepdim=True) if grad.dim() == 2 else grad * grad\n"
        f'return param - {LR} * grad / (torch.sqrt(size) + 1.0), {{"slot": state["slot"] + size}}'
    ),
    "statistics of the whole tensor": program(
        'scale = torch.norm(grad) + 1e-3\nmean = torch.mean(state["slot"])\n'
        f'return param - {LR} * grad / scale - 0.01 * mean, {{"slot": state["slot"] + grad / scale}}'
    ),
    "sizes": program(
        f"rate = {LR} / math.sqrt(param.numel())\n"
        'return param - rate * grad, {"slot": state["slot"] + len(grad.shape)}'
    ),
    "a scalar that counts": program(
        f'count = state["slot"] + 1.0\nreturn param - {LR} * grad / count, {{"slot": count}}',
        '{"slot": torch.zeros(())}',
    ),
    "numbers on the left": program(
        "x = 1.0 - grad\ny = 2.0 / (2.0 + grad * grad)\nz = 2.0 ** torch.tanh(grad)\n"
        f'return param - {LR} * (x + y + z) * torch.relu(grad), {{"slot": -x}}'
    ),
    "bounds": program(
        "x = torch.clamp(grad, -0.5, 0.5) + grad.clamp(max=0.1)\nreturn param - "
        f'{LR} * torch.maximum(x, torch.clamp(state["slot"], min=-x.abs(), max=x.abs())), {{"slot": x}}'
    ),
    "a helper": program(
        f'new = smooth(state["slot"], grad, 0.9)\nreturn param - {LR} * new, {{"slot": new}}',
        helpers="def smooth(a, b, beta):\n    return beta * a + (1.0 - beta) * b\n\n",
    ),
    "a view is read after a change": program(
        'old = state["slot"].reshape(param.shape)\nnew = state["slot"] * 0.5\n'
        f'return param - {LR} * (grad + old - new), {{"slot": new + grad}}'
    ),
    "a name for a number and a tensor": program(
        f'x = 2.0\nx = x * grad\nreturn param - {LR} * x, {{"slot": x}}'
    ),
    "a number that depends on the step": program(
        'w = min(1.0, step / 5.0)\nnew = torch.lerp(state["slot"], grad, w)\n'
        f'return param - {LR} * w * new, {{"slot": new}}'
    ),
    "slots with names of ours": program(
        f'return param - {LR} * state["params"], {{"params": grad + state["params"], "step": state["step"]}}',
        '{"params": torch.zeros_like(param), "step": torch.zeros_like(param)}',
    ),
    "one tensor for two slots": program(
        f'return param - {LR} * state["one"], {{"one": state["one"] + grad, "two": state["two"] - grad}}',
        '{"one": param, "two": param}',
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_with_a_pitfall_steps_as_it_is_written(name: str) -> None:
    assert "torch._foreach_" in compare(RULES[name])


UNTRANSLATED = {
    "a loop": program(
        "x = grad\nfor _ in range(3):\n    x = x * 0.5\n"
        f'return param - {LR} * x, {{"slot": state["slot"] + x}}'
    ),
    "a test of a tensor": program(
        'new = state["slot"] + grad\nif torch.norm(grad) > 1.0:\n    new = grad\n'
        f'return param - {LR} * new, {{"slot": new}}'
    ),
    "a state that is passed on": program(f"return param - {LR} * grad, state"),
    "a number from a tensor": program(
        "scale = float(torch.norm(grad))\n"
        f'return param - {LR} * grad * scale, {{"slot": state["slot"] + 1.0}}'
    ),
}


@pytest.mark.parametrize("name", UNTRANSLATED)
def test_a_rule_without_a_translation_is_called_tensor_by_tensor(name: str) -> None:
    assert "has no form for lists" in compare(UNTRANSLATED[name])


def test_a_rule_that_compares_keeps_its_operations_apart() -> None:
    text = compare(canonical(TASK.seeds["lion"]))
    assert "alpha=" not in text
    assert "addcmul" not in text


def test_state_that_is_read_no_more_is_written_where_it_lies() -> None:
    text = compare(canonical(TASK.seeds["adam"]))
    assert re.search(r"torch\._foreach_mul_\(mean, ", text)
    assert "_foreach_copy_" not in text
