"""The fast path gives what the sandbox gives, bit for bit, and reads nothing that is more than a formula."""

import tracemalloc

import numpy as np
import pytest

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.caller import ROWS, Caller
from recevolve.evaluators.reward.fast import BLOCK, Formula, NotPlain, Undefined, formula, parsed
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.properties import Rows, draw
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.island.randomness import generator

READABLE = frozenset(one.name for one in SIMULATED.predictions)
LIMITS = Limits(cpu_seconds=20.0)


def program(body: str, head: str = "import numpy\n\nWEIGHTS = {'a': 2.0, 'b': 3}\n") -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{head}\n\ndef reward(signals):\n{lines}"


def plain(body: str) -> Formula:
    return parsed(program(body), READABLE)


@pytest.fixture(scope="module")
def mutants() -> list[str]:
    """Two hundred programs of up to eighteen edits."""
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    pool = [Parent(name, source) for name, source in TASK.seeds.items()]
    for number in range(200):
        rng = generator(0, "fast", number)
        parents = [pool[index] for index in rng.permutation(len(pool))[:2]]
        pool.append(Parent(str(number), proposer.mutant(parents, rng, bold=True).source))
    return [canonical(parent.source) for parent in pool]


@pytest.mark.heavy
def test_mutants_are_formulas(mutants: list[str]) -> None:
    assert sum(formula(source, READABLE) is not None for source in mutants) > 0.95 * len(mutants)


@pytest.mark.parametrize("edges", [False, True])
def test_both_paths_agree_bit_for_bit(mutants: list[str], edges: bool, sandbox: Sandbox) -> None:
    columns = draw(SIMULATED, Rows(500, 3, edges))
    compared = 0
    for source in mutants[::3]:
        answers = []
        for fast in (True, False):
            with Caller(source, SIMULATED, sandbox, LIMITS, fast=fast) as caller:
                try:
                    answers.append(caller(columns).tobytes())
                except Failed as failed:
                    answers.append(str(failed).encode())
        assert answers[0] == answers[1], source
        compared += 1
    assert compared > 60


@pytest.mark.parametrize(
    "body",
    [
        "return signals['click'] ** 2 - -signals['watch'] / 3",
        "return numpy.where((signals['click'] > 0.5) & ~(signals['like'] >= 0.1), 1.0, 2.0)",
        "a = WEIGHTS['a'] * signals['click']\na = a + WEIGHTS['b']\nreturn abs(a - signals['survey'])",
        "return numpy.clip(signals['survey'], -1, 1) * numpy.power(signals['watch'], 0.5)",
        "return numpy.exp(signals['survey'] * 1e3)",
        "return numpy.log(signals['click'])",
        "return signals['click'] / (signals['like'] * 0.0)",
    ],
)
def test_formulas_agree_where_they_are_odd(body: str, sandbox: Sandbox) -> None:
    columns = draw(SIMULATED, Rows(64, 5, edges=True))
    source = program(body)
    mine = parsed(source, READABLE)(columns)
    with Caller(source, SIMULATED, sandbox, LIMITS, fast=False) as caller:
        theirs = caller._answer(columns)
    assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    "body",
    [
        "return signals['click'] @ signals['watch']",
        "return signals['clicked']",
        "return signals['item']",
        "return signals.get('click')",
        "return signals['click'][::-1]",
        "return signals['click'] % 1.0",
        "return signals['click'] // 1.0",
        "return signals['click'] << 3",
        "return numpy.sum(signals['click'])",
        "return numpy.random.random()",
        "return numpy.exp(signals['click'], signals['click'])",
        "return numpy.exp(signals['click'], where=True)",
        "return numpy.clip(signals['click'], 0.0)",
        "return signals['click'].sum()",
        "return (lambda x: x)(signals['click'])",
        "return [signals['click']][0]",
        "return signals['click'] if WEIGHTS['a'] else signals['watch']",
        "if WEIGHTS['a']:\n    return signals['click']\nreturn signals['watch']",
        "for _ in range(3):\n    a = 1\nreturn signals['click']",
        "return eval('1')",
        "return __import__('os')",
        "return signals['click'] + 'a'",
        "return signals['click'] + 1j",
        "return signals['click'] + True",
        "return signals['click'] + None",
        "return signals['click'] + 99999999999999999999",
        "return signals['click'] + WEIGHTS['missing']",
        "return unknown",
        "signals = signals\nreturn signals['click']",
        "WEIGHTS = 3\nreturn signals['click']",
        "numpy = 3\nreturn signals['click']",
        "a, b = 1, 2\nreturn signals['click']",
        "signals['click'] = 1\nreturn signals['click']",
        "x: float = 1.0\nreturn signals['click']",
        "return (x := signals['click'])",
        "return 0 < signals['click'] < 1",
        "return signals['click'] and signals['watch']",
        "pass",
        "return",
    ],
)
def test_anything_else_is_not_plain(body: str) -> None:
    with pytest.raises(NotPlain):
        plain(body)


@pytest.mark.parametrize(
    "head",
    [
        "import os\nWEIGHTS = {}\n",
        "from numpy import exp\nWEIGHTS = {}\n",
        "import numpy\nWEIGHTS = {'a': [1.0]}\n",
        "import numpy\nWEIGHTS = {'a': 1.0, 'a': 2.0}\n",
        "import numpy\nWEIGHTS = dict(a=1.0)\n",
        "import numpy\nWEIGHTS = {}\nOTHER = 3\n",
        "import numpy\nWEIGHTS = {}\ndef helper(x):\n    return x\n",
        "import numpy as signals\nWEIGHTS = {}\n",
        "import numpy\nWEIGHTS = {}\nprint('hello')\n",
        "import numpy\nWEIGHTS = {}\n@print\n",
    ],
)
def test_modules_of_another_form_are_not_plain(head: str) -> None:
    with pytest.raises(NotPlain):
        parsed(program("return signals['click']", head), READABLE)


def test_another_signature_is_not_plain() -> None:
    for signature in ("signals, x=1", "x", "*signals", "signals, /", "", "signals=None"):
        with pytest.raises(NotPlain):
            parsed(f"WEIGHTS = {{}}\ndef reward({signature}):\n    return signals['click']\n", READABLE)


def test_text_that_is_too_much_is_not_plain() -> None:
    for body in (
        "return " + "signals['click'] + " * 400 + "1.0",
        "return " + "-" * 100 + "signals['click']",
        "return signals['click'] + " + "1" * 17_000,
        "return (((",
        "return '\\ud800' + signals['click']",
    ):
        with pytest.raises(NotPlain):
            plain(body)


@pytest.mark.parametrize(
    "body",
    [
        "return signals['click'] + 1.0 / 0.0",
        "return signals['click'] + (-2.0) ** 0.5",
        "return signals['click'] * 2 ** 999999999",
        "return signals['click'] > 0.5",
        "return WEIGHTS['a']",
        "return signals['click'] + (signals['click'] & signals['watch'])",
        "return signals['click'] * 2.0 ** 5000.0",
    ],
)
def test_what_has_no_value_is_asked_behind_the_wall(body: str) -> None:
    with pytest.raises(Undefined):
        plain(body)(draw(SIMULATED, Rows(4, 0)))


def test_the_wall_has_the_last_word(sandbox: Sandbox) -> None:
    source = program("return signals['click'] * 2 ** 3")
    with Caller(source, SIMULATED, sandbox, LIMITS) as caller:
        assert caller.fast
        columns = draw(SIMULATED, Rows(4, 0))
        assert (caller(columns) == columns["click"] * 8).all()
        assert not caller.fast


def test_more_rows_than_fit_are_shown_in_parts_and_keep_their_shape(sandbox: Sandbox) -> None:
    columns = draw(SIMULATED, Rows(2 * (ROWS // 2 + 50), 0))
    table = {name: column.reshape(2, -1).astype(np.float32) for name, column in columns.items()}
    source = TASK.seeds["log_watch"]
    answers = []
    for fast in (True, False):
        with Caller(source, SIMULATED, sandbox, LIMITS, fast=fast) as caller:
            answers.append(caller(table))
    assert answers[0].shape == table["click"].shape
    assert answers[0].tobytes() == answers[1].tobytes()


def test_what_a_formula_holds_does_not_grow_with_the_rows() -> None:
    """Sixty locals, each as long as the rows in work."""
    lines = ["x0 = signals['click']", *(f"x{number} = -x{number - 1}" for number in range(1, 60))]
    found = plain("\n".join([*lines, "return x1 + x59"]))
    click = np.linspace(0, 1, 300_000)
    tracemalloc.start()
    out = found({"click": click})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(out, -2 * click)
    assert peak < 3 * click.nbytes


def test_blocks_of_rows_give_the_bits_of_all_rows_at_once() -> None:
    found = plain("return numpy.exp(signals['click']) ** 0.3 / numpy.log1p(signals['watch'])")
    rng = np.random.default_rng(5)
    columns = {name: rng.uniform(0.1, 3, 3 * BLOCK + 5) for name in ("click", "watch")}
    whole = np.exp(columns["click"]) ** 0.3 / np.log1p(columns["watch"])
    assert found(columns).tobytes() == whole.tobytes()


def test_what_is_not_finite_on_the_data_is_a_verdict(sandbox: Sandbox) -> None:
    source = program("return numpy.log(signals['click'] - 0.5)")
    with Caller(source, SIMULATED, sandbox, LIMITS) as caller, pytest.raises(Failed, match="not finite"):
        caller(draw(SIMULATED, Rows(50, 0)))


def test_a_helper_goes_behind_the_wall_and_scores_alike(sandbox: Sandbox) -> None:
    head = "import numpy\n\nWEIGHTS = {}\n\n\ndef half(x):\n    return 0.5 * x\n"
    source = program("return half(signals['click'])", head)
    assert check(source, TASK.rules) == ()
    columns = draw(SIMULATED, Rows(50, 0))
    with Caller(source, SIMULATED, sandbox, LIMITS) as caller:
        assert not caller.fast
        assert (caller(columns) == 0.5 * columns["click"]).all()
