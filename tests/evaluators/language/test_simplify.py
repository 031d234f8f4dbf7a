"""What does not matter goes, and nothing that matters goes with it."""

from pathlib import Path

import pytest

from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.simplify import simplify
from recevolve.evaluators.language.vocabulary import Layout

SEEDS = sorted((Path(__file__).parents[3] / "evaluators/optimizer/seeds").glob("*.py"))
LAYOUT = Layout("update", "HP", "hp", "init", "state", pinned=frozenset({"lr"}))
LOOP = "for i in range(3):"


def function(*lines: str) -> str:
    return "def f(x, y, hp):\n" + "\n".join(f"    {line}" for line in lines) + "\n"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (("a = x", "return y"), ("return y",)),
        (("a = x", "b = a", "return y"), ("return y",)),
        (("a = x", "a = y", "return a"), ("a = y", "return a")),
        (("a = x", "a = a + y", "return a"), ("a = x", "a = a + y", "return a")),
        (("a, b = x, y", "return b"), ("a, b = (x, y)", "return b")),
        (("a, b = x, y", "return y"), ("return y",)),
        (("if x:", "    a = y", "return y"), ("return y",)),
        (("a = x", "if y:", "    a = y", "return a"), ("a = x", "if y:", "    a = y", "return a")),
        (("a = x", "if y:", "    return x", "return a"), ("a = x", "if y:", "    return x", "return a")),
        (("a = x", "if y:", "    a = y", "else:", "    b = y", "return a"),
         ("a = x", "if y:", "    a = y", "return a")),
        (("a = x", "if y:", "    b = y", "else:", "    a = y", "return a"),
         ("a = x", "if y:", "    pass", "else:", "    a = y", "return a")),
        (("a = x", LOOP, "    b = a", "return x"), ("return x",)),
        (("a = x", "b = y", LOOP, "    a = b", "    b = a + x", "return a"),
         ("a = x", "b = y", LOOP, "    a = b", "    b = a + x", "return a")),
        (("a = x", LOOP, "    if y:", "        break", "    a = y", "    c = a", "return a"),
         ("a = x", LOOP, "    if y:", "        break", "    a = y", "return a")),
        (("a = x", LOOP, "    b = a", "    if y:", "        continue", "    a = y", "return b"),
         ("a = x", LOOP, "    b = a", "    if y:", "        continue", "    a = y", "return b")),
        (("return x * 1.0 + 0 * y",), ("return x + 0 * y",)),
        (("return -(-x) / 1 + 0.0",), ("return x",)),
        (("return 1 * x ** 1 - 0 - -y",), ("return x - -y",)),
        (("return x - 1 + (y - 2.0) / 2",), ("return x - 1 + (y - 2.0) / 2",)),
        (("return 1 / x + 2 ** 0 * 0",), ("return 1 / x + 2 ** 0 * 0",)),
    ],
)  # fmt: skip
def test_statements_and_arithmetic(lines: tuple[str, ...], left: tuple[str, ...]) -> None:
    assert simplify(function(*lines)) == function(*left)


def optimizer(hp: str, start: str, *lines: str) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    init = f"def init(param):\n    return {start}\n"
    return f"HP = {hp}\n\n{init}\ndef update(grad, state, param, step, hp):\n{body}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            optimizer(
                "{'lr': 0.1, 'b': 0.5}", "{'m': param}", "m = state['m'] * hp['b']", "return (grad, {'m': m})"
            ),
            optimizer("{'lr': 0.1}", "{}", "return (grad, {})"),
            id="a slot that feeds only itself",
        ),
        pytest.param(
            optimizer(
                "{'lr': 0.1}", "{'m': param, 'n': param}", "return (grad, {'m': state['n'], 'n': state['m']})"
            ),
            optimizer("{'lr': 0.1}", "{}", "return (grad, {})"),
            id="slots that feed each other",
        ),
        pytest.param(
            optimizer(
                "{'lr': 0.1}", "{'m': param, 'n': param}", "return (state['m'], {'m': state['n'], 'n': grad})"
            ),
            optimizer(
                "{'lr': 0.1}", "{'m': param, 'n': param}", "return (state['m'], {'m': state['n'], 'n': grad})"
            ),
            id="slots that matter through others",
        ),
        pytest.param(
            optimizer("{'lr': 0.1, 'b': 1.0}", "{'m': param}", "return (grad, state)"),
            optimizer("{'lr': 0.1}", "{'m': param}", "return (grad, state)"),
            id="state passed on whole stays",
        ),
        pytest.param(
            optimizer("{'lr': 0.1, 'b': 1.0}", "{'m': param}", "return (g(hp), {**state, 'm': grad})"),
            optimizer("{'lr': 0.1, 'b': 1.0}", "{'m': param}", "return (g(hp), {**state, 'm': grad})"),
            id="constants passed on whole stay",
        ),
    ],
)
def test_state_and_constants(before: str, after: str) -> None:
    assert simplify(before, LAYOUT) == after


def test_without_a_layout_state_stays() -> None:
    source = optimizer("{'lr': 0.1, 'b': 0.5}", "{'m': param}", "return (grad, {'m': state['m']})")
    assert simplify(source) == source


@pytest.mark.parametrize("path", SEEDS, ids=[path.stem for path in SEEDS])
def test_in_the_seeds_everything_matters(path: Path) -> None:
    layout = Layout("update", "HYPERPARAMETERS", "hp", "init", "state", pinned=frozenset({"lr"}))
    source = path.read_text()
    assert canonical(simplify(source, layout)) == canonical(source)
