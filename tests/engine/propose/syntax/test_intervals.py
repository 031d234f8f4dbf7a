"""What a tree's values can be is found without running it, and never claimed where it is not so."""

import pytest

from recevolve.engine.propose.syntax.intervals import Intervals
from recevolve.engine.propose.syntax.tree import ProgramTree
from recevolve.evaluators.optimizer.task import TASK

START = "torch.zeros_like(param)"


def follow(*lines: str, start: str = START, kept: str = "state['s']") -> Intervals:
    body = "\n".join(f"    {line}" for line in lines[:-1])
    source = (
        "import torch\nHYPERPARAMETERS = {'lr': 0.1, 'b': 0.9, 'eps': 1e-8, 'zero': 0.0}\n\n\n"
        f"def init(param):\n    return {{'s': {start}}}\n\n\n"
        f"def update(grad, state, param, step, hp):\n{body}\n    return {lines[-1]}, {{'s': {kept}}}\n"
    )
    return Intervals(ProgramTree(source, TASK.vocabulary))


@pytest.mark.parametrize("name", TASK.seeds)
def test_the_seeds_are_safe_and_descend(name: str) -> None:
    found = Intervals(ProgramTree(TASK.seeds[name], TASK.vocabulary))
    assert found.unsafe == set()
    assert found.first is not None
    assert {("param", 1), ("grad", -1)} <= found.first.leans


@pytest.mark.parametrize(
    "expression",
    [
        "torch.sqrt(grad * grad)",
        "torch.sqrt((1.0 - hp['b']) * grad * grad)",
        "grad / (torch.sqrt(grad * grad) + hp['eps'])",
        "grad / (1.0 - hp['b'] ** step)",
        "torch.sqrt(torch.clamp(grad, min=0.0))",
        "torch.sqrt(torch.where(grad > 0.0, torch.abs(grad), 0.0))",
        "torch.log(torch.abs(grad) + 1.0)",
        "torch.log1p(torch.abs(grad))",
        "torch.exp(-torch.abs(grad))",
        "grad / step",
        "torch.pow(torch.abs(grad) + 1e-12, -0.5)",
        "grad.norm() ** 0.5",
        "torch.sqrt(torch.mean(grad * grad, dim=-1, keepdim=True))",
    ],
)
def test_safe(expression: str) -> None:
    assert follow(expression).unsafe == set()


@pytest.mark.parametrize(
    "expression",
    [
        "torch.sqrt(grad)",
        "torch.sqrt(grad * param)",
        "torch.sqrt(hp['b'] - 1.0)",
        "grad / param",
        "grad / torch.abs(grad)",
        "grad / hp['zero']",
        "grad / (hp['b'] ** step)",
        "torch.log(torch.abs(grad))",
        "torch.exp(grad)",
        "grad ** 0.5",
        "torch.pow(grad, 0.5)",
        "torch.abs(grad) ** -1.0",
        "torch.rsqrt(torch.square(grad))",
        "1.0 / (grad if step > 1 else 1.0)",
    ],
)
def test_unsafe(expression: str) -> None:
    assert len(follow(expression).unsafe) == 1


@pytest.mark.parametrize(
    ("kept", "start", "safe"),
    [
        ("state['s'] + grad * grad", START, True),
        ("hp['b'] * state['s'] + (1.0 - hp['b']) * torch.abs(grad)", START, True),
        ("torch.maximum(state['s'], grad)", START, True),
        ("state['s'] - grad * grad", START, False),
        ("grad", START, False),
        ("state['s'] * grad", "torch.ones_like(param)", False),
        ("state['s']", "param", False),
        ("state['s']", START, True),
    ],
)
def test_state_is_followed_until_it_settles(kept: str, start: str, safe: bool) -> None:
    assert follow("torch.sqrt(state['s'])", kept=kept, start=start).unsafe == (
        set() if safe else {"torch.sqrt(state['s'])"}
    )


def leads(*lines: str, **state: str) -> set[tuple[str, int]]:
    result = follow(*lines, **state).first
    assert result is not None
    return set(result.leans)


def test_leanings() -> None:
    assert leads("param - hp['lr'] * grad") == {("param", 1), ("grad", -1)}
    assert leads("param + hp['lr'] * grad") == {("param", 1), ("grad", 1)}
    assert leads("param - hp['lr'] * torch.sign(grad)") == {("param", 1), ("grad", -1)}
    assert leads("param - hp['lr'] * grad * grad") == {("param", 1)}
    assert leads("param - hp['lr'] * torch.abs(grad)") == {("param", 1)}
    assert leads("-(grad / (torch.sqrt(grad * grad) + 1.0))") == {("grad", -1)}
    assert leads("param - state['s']", kept="state['s'] + grad") == {("param", 1), ("grad", -1)}
    assert leads("a = grad", "if step > 3:", "    a = -grad", "a") == {("grad", 1), ("grad", -1)}
    assert leads("param - grad * torch.sin(step)") == {("param", 1), ("grad", -1), ("grad", 1)}
    assert leads("torch.where(grad == 0.0, param, -grad)") == {("param", 1), ("grad", -1)}
    assert leads("state['s']", kept="grad", start="param") == {("param", 1), ("grad", 1)}
