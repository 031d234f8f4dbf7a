"""A delta names what changed, in one line, and nothing else."""

import ast

import pytest

from recevolve.engine.propose.source_diff import difference
from recevolve.evaluators.optimizer.task import TASK

BASE = '''"""A program."""
import math

HP = {"lr": 0.1, "eps": 1e-8}


def helper(x):
    return x


def f(x, c):
    a = math.sqrt(x)  # a comment
    if a > 0:
        b = a * c
    else:
        b = a
    return a + b, {"a": a}
'''


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("0.1", "0.3", "HP: lr 0.1 → 0.3"),
        ('"lr": 0.1', '"rate": 0.1', "HP: - lr; + rate = 0.1"),
        ("math.sqrt(x)", "math.log(x)", "f: math.sqrt → math.log"),
        ("math.sqrt(x)", "math.sqrt(x + 1)", "f: x → x + 1"),
        ("a * c", "a * c * c", "f: a → a * c"),
        ("b = a * c", "b = a * c\n        b = b / 2", "f: + b = b / 2"),
        ("    else:\n        b = a\n", "    else:\n        b = c\n", "f: a → c"),
        ("    a = math.sqrt(x)", "    a = math.sqrt(x)\n    a = a / c", "f: + a = a / c"),
        ('{"a": a}', '{"a": a, "b": b}', "f: + b = b"),
        ("return a + b, ", "return a - b, ", "f: a + b → a - b"),
        ("def helper(x):\n    return x\n", "", "- helper"),
        ("def f(x, c)", "def f(x, d)", "f(x, c) → f(x, d)"),
        ("import math\n", "import math\nimport numpy\n", "+ import numpy"),
    ],
)
def test_the_smallest_part_that_changed_is_named(old: str, new: str, told: str) -> None:
    assert old in BASE
    assert difference(BASE, BASE.replace(old, new, 1)) == told


def test_layout_comments_and_docstrings_do_not_count() -> None:
    other = BASE.replace("  # a comment", "").replace('"""A program."""', '"""Another."""')
    assert difference(BASE, other) == difference(BASE, BASE) == "no change of syntax"


def test_what_is_no_python_is_compared_by_lines() -> None:
    assert difference("x = 1\ny = 2\n", "x = 1\ny = (\n") == "- y = 2; + y = ("
    assert difference("x = 1\n", "x = '\0'\n")


def test_it_is_one_line_and_bounded_whatever_the_programs() -> None:
    seeds = list(TASK.seeds.values())
    for before in seeds:
        for after in seeds:
            told = difference(before, after, 120)
            assert "\n" not in told
            assert 0 < len(told) <= 120
            assert (told == "no change of syntax") == (
                ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))
            )


def test_a_deep_nest_does_not_break_it() -> None:
    deep = "x = " + "-" * 20_000 + "1\n"
    assert difference(deep, deep + "y = 1\n")
