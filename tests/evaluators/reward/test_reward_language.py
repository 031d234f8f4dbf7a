"""What a reward's text may hold, and what the message says where it holds something else."""

import re

import pytest

from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.fast import parsed
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.properties import Rows, draw
from recevolve.evaluators.reward.task import TASK

READABLE = frozenset(one.name for one in SIMULATED.predictions)


def program(expression: str, head: str = "import numpy\n\nWEIGHTS = {'a': 2.0}\n") -> str:
    return f"{head}\n\ndef reward(signals):\n    return {expression}\n"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ('signals["clicked"]', "may not be read: it is an outcome"),
        ('signals["popularity"]', "may not be read: it describes item or user"),
        ('signals["clck"]', "has no 'clck'; nearest allowed: click"),
        ("signals[WEIGHTS]", "must be read by a literal key"),
        ("signals", 'may only be read by a key, as in `signals["click"]`'),
        ("signals.click", "`.click` is not allowed"),
        ('signals["click"][0]', "picks rows"),
        ('signals["click"][::-1]', "picks rows"),
        ('signals["click"] @ signals["click"]', "`@` is not allowed"),
        ('numpy.exp(signals["click"], signals["watch"])', "takes exactly 1 argument, by position"),
        ('numpy.exp(signals["click"], dtype=None)', "takes exactly 1 argument, by position"),
        ('numpy.maximum(signals["click"], 0.0, signals["watch"])', "takes exactly 2 arguments"),
        ('numpy.mean(signals["click"])', "`numpy.mean` is not allowed"),
        ('min(signals["click"])', "`min(...)` is not allowed"),
    ],
)
def test_a_refusal_says_why(expression: str, words: str) -> None:
    assert any(words in problem.message for problem in check(program(expression), TASK.rules))


@pytest.mark.parametrize(
    "expression",
    [
        'WEIGHTS["a"] * signals["click"]',
        'numpy.where(signals["survey"] > 0.0, signals["click"], 0.0 * signals["click"])',
        'abs(signals["survey"]) ** 0.5',
    ],
)
def test_formulas_are_allowed(expression: str) -> None:
    assert check(program(expression), TASK.rules) == ()


WORDS = {"tensor": 'signals["click"]', "scalar": "0.5", "bool": '(signals["watch"] > 5.0)'}
USES = {"tensor": "{0}", "scalar": '({0}) * signals["click"]', "bool": "numpy.where({0}, 1.0, 2.0)"}


@pytest.mark.parametrize("template", [each.template for each in TASK.vocabulary.operators])
def test_every_operator_is_in_the_language_and_runs(template: str) -> None:
    operator = next(each for each in TASK.vocabulary.operators if each.template == template)
    expression = operator.template.format(*(WORDS[kind] for kind in operator.arguments))
    runs(program(USES[operator.result].format(expression)))


@pytest.mark.parametrize("name", [each.name for each in TASK.vocabulary.idioms])
def test_every_idiom_is_in_the_language_and_runs(name: str) -> None:
    idiom = next(each for each in TASK.vocabulary.idioms if each.name == name)
    text = idiom.result.replace("{0}", '(signals["click"])').replace("{1}", '(signals["survey"])')
    for constant in idiom.constants:
        text = re.sub(rf"(?<![\w\".]){constant}\b", f'WEIGHTS["{constant}"]', text)
    weights = ", ".join(f'"{key}": {value}' for key, value in idiom.constants.items())
    runs(program(text, f"import numpy\n\nWEIGHTS = {{{weights}}}\n"))


def runs(source: str) -> None:
    assert check(source, TASK.rules) == ()
    out = parsed(source, READABLE)(draw(SIMULATED, Rows(50, 0)))
    assert out.shape == (50,)


def test_cells_tell_what_is_read_and_how_it_is_joined() -> None:
    assert TASK.describe(TASK.seeds["click_times_watch"]) == ("clic+watc", "product", "straight", "open")
    assert TASK.describe(program("WEIGHTS['a'] * signals['click']"))[1] == "sum"


def test_the_contract_shows_every_signal_with_its_unit_and_range() -> None:
    for one in SIMULATED.columns:
        assert f"| `{one.name}` | {one.role} | {one.unit} | {one.low:g} to {one.high:g} |" in TASK.contract
