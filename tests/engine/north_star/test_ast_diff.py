"""Every edit between two programs can be undone alone, and all of them together give the old one back."""

import ast
from itertools import permutations

import pytest

from recevolve.engine.north_star.ast_diff import hunks, together, undo
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.task import TASK

OLD = '''"""A program."""
import numpy

W = {"a": 0.5, "z": 1.0}


def f(x, c):
    y = c["a"] * x + 1
    if y > 0:
        y = y * c["z"]
    return y
'''
NEW = '''"""Another."""
import math

import numpy

W = {"a": 0.7, "b": 2.0}


def f(x, c):
    y = c["a"] * numpy.tanh(x) - 1
    u = numpy.sin(x) * c["b"]
    if y > math.pi:
        y = y * 3
    return y + u
'''


def told(old: str, new: str) -> list[str]:
    return [one.text for one in hunks(old, new)]


def test_each_edit_is_named_by_what_it_changed_alone() -> None:
    assert told(OLD, NEW) == [
        "'a': 0.5 → 0.7",
        "+ 'b': 2.0",
        "- 'z': 1.0",
        "x → numpy.tanh(x)",
        "operator of c['a'] * numpy.tanh(x) - 1",
        "+ u = numpy.sin(x) * c['b']",
        "0 → math.pi",
        "c['z'] → 3",
        "y → y + u",
    ]


def test_what_one_edit_binds_and_another_reads_goes_together() -> None:
    found = hunks(OLD, NEW)
    names = [one.text for one in found]

    def group(text: str) -> set[str]:
        return {names[place] for place in together(found, names.index(text))}

    use = "y → y + u"
    assert group(use) == {use}
    assert group("+ u = numpy.sin(x) * c['b']") == {"+ u = numpy.sin(x) * c['b']", use}
    assert group("+ 'b': 2.0") == {"+ 'b': 2.0", "+ u = numpy.sin(x) * c['b']", use}
    assert group("c['z'] → 3") == {"c['z'] → 3", "- 'z': 1.0"}, "what its old side reads comes back with it"
    assert group("- 'z': 1.0") == {"- 'z': 1.0"}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("old", "new"), [(OLD, NEW), (NEW, OLD), *permutations(list(TASK.seeds.values())[:4], 2)]
)
def test_undoing_nothing_gives_the_new_program_and_undoing_all_the_old_one(old: str, new: str) -> None:
    found = hunks(old, new)
    assert found
    assert canonical(undo(old, new, frozenset())) == canonical(new)
    assert canonical(undo(old, new, frozenset(range(len(found))))) == canonical(old)
    for number in range(len(found)):
        text = undo(old, new, frozenset({number}))
        assert ast.parse(text)
        assert text != undo(old, new, frozenset()), "an edit that changes nothing is none"


FORMULA = """import numpy

W = {{"a": 0.5, "b": 2.0}}


def f(x, c):
    return {}
"""


def test_each_operation_of_an_expression_that_came_is_an_edit_of_its_own() -> None:
    old = FORMULA.format("x['p']")
    new = FORMULA.format("numpy.minimum(x['q'] * numpy.power(x['r'] + c['a'], c['b']), 2.0 * 0.1)")
    found = hunks(old, new, "c")
    assert [one.text for one in found[1:]] == [
        "numpy.minimum(…, 2.0 * 0.1)",
        "… * numpy.power(x['r'] + c['a'], c['b'])",
        "x['q'] * …",
        "numpy.power(…, c['b'])",
        "… + c['a']",
    ]

    def without(*numbers: int) -> str:
        return undo(old, new, frozenset(numbers), "c").splitlines()[-1].strip()

    assert without(1) == "return x['q'] * numpy.power(x['r'] + c['a'], c['b'])"
    assert without(2) == "return numpy.minimum(x['q'], 2.0 * 0.1)"
    assert without(3) == "return numpy.minimum(numpy.power(x['r'] + c['a'], c['b']), 2.0 * 0.1)"
    assert without(1, 4, 5) == "return x['q'] * x['r']"
    assert without(0, 3) == "return x['p']"


def test_of_what_was_put_around_an_expression_only_the_wrapping_can_go() -> None:
    old, new = FORMULA.format("x['p']"), FORMULA.format("numpy.tanh(x['p'] * c['a']) + x['q']")
    texts = [one.text for one in hunks(old, new, "c")[1:]]
    assert texts == ["… + x['q']", "numpy.tanh(…)"]


def test_equal_programs_differ_in_nothing_whatever_their_comments() -> None:
    assert hunks(OLD, OLD.replace('"""A program."""', '"""Other words."""\n# more')) == ()


def test_imports_are_no_edits_and_follow_what_reads_them() -> None:
    plain = "def f(x):\n    return x\n"
    wrapped = "import numpy\n\n\ndef f(x):\n    return numpy.tanh(x)\n"
    assert told(plain, wrapped) == ["x → numpy.tanh(x)"]
    assert undo(plain, wrapped, frozenset({0})) == plain
    assert undo(wrapped, plain, frozenset({0})).startswith("import numpy\n")
