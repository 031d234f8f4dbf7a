"""Each property refuses the program that breaks it, in words that say how to repair it."""

import re

import pytest

from recevolve.evaluators.kinds.properties import behaviour, examine
from recevolve.evaluators.optimizer.properties import PROPERTIES, probe
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load

HEAD = 'import math\nimport torch\nHYPERPARAMETERS = {"lr": 0.1}\n'
INIT = "def init(param):\n    return {}\n"
SLOT = 'def init(param):\n    return {"m": torch.zeros_like(param)}\n'
UPDATE = 'def update(grad, state, param, step, hp):\n    return param - hp["lr"] * grad, {}\n'


def body(*lines: str) -> str:
    return "def update(grad, state, param, step, hp):\n" + "".join(f"    {line}\n" for line in lines)


BROKEN = {
    "no rate": (HEAD.replace('"lr"', '"rate"') + INIT + UPDATE, "must hold 'lr' above zero"),
    "negative rate": (HEAD.replace("0.1", "-0.1") + INIT + UPDATE, "must hold 'lr' above zero"),
    "rate is a boolean": (HEAD.replace("0.1", "True") + INIT + UPDATE, "finite number"),
    "infinite hyperparameter": (HEAD.replace("0.1", "1e999") + INIT + UPDATE, "finite number"),
    "name that no argument can have": (
        HEAD.replace('"lr"', '"lr": 0.1, "a-b"') + INIT + UPDATE,
        "identifier",
    ),
    "name of the export's own": (HEAD.replace('"lr"', '"lr": 0.1, "maximize"') + INIT + UPDATE, "identifier"),
    "not a dict": (HEAD.replace('{"lr": 0.1}', "(0.1,)") + INIT + UPDATE, "must be a dict"),
    "state is no dict": (HEAD + INIT.replace("{}", "(param,)") + UPDATE, "init must return a dict"),
    "no tuple": (HEAD + INIT + body("return param"), r"must return \(new_param, new_state\)"),
    "other shape": (HEAD + INIT + body("return (param - grad).reshape(-1), {}"), "parameter of shape"),
    "other dtype": (HEAD + INIT + body("return (param - grad).double(), {}"), "float32 parameter"),
    "slot appears": (HEAD + INIT + body("return param - grad, {'m': grad}"), "keep its names"),
    "slot of another type": (
        HEAD + SLOT + body("return param - grad, {'m': 1.0}"),
        "must be a float32 tensor",
    ),
    "slot changes shape": (
        HEAD + SLOT + body("return param - grad, {'m': torch.cat([state['m'].reshape(-1)] * 2)}"),
        "keep its shape",
    ),
    "fails on scalars": (HEAD + INIT + body("return param - grad[0], {}"), "(?i)invalid index|slice|0-dim"),
    "zero gradient": (HEAD + INIT + body("return param - grad / grad.norm(), {}"), "not finite"),
    "huge gradient": (HEAD + INIT + body("return param - torch.exp(grad.abs()), {}"), "not finite"),
    "state overflows": (
        HEAD + SLOT + body("return param - 0.1 * grad, {'m': torch.exp(grad.abs())}"),
        "state 'm' is not finite",
    ),
    "changes param": (
        HEAD + INIT + body("param -= 0.1 * grad", "return param, {}"),
        "changed its input param",
    ),
    "changes grad": (HEAD + INIT + body("grad *= 0.1", "return param - grad, {}"), "changed its input grad"),
    "changes a slot": (
        HEAD + SLOT + body("state['m'] += grad", "return param - state['m'], {'m': state['m']}"),
        "changed its input state",
    ),
    "changes the dict": (
        HEAD + SLOT + body("state['m'] = state['m'] + grad", "return param - 0.1 * grad, dict(state)"),
        "changed its input state",
    ),
    "changes hp": (HEAD + INIT + body("hp['lr'] *= 0.9", "return param - hp['lr'] * grad, {}"), "input hp"),
    "init changes param": (
        HEAD + "def init(param):\n    param.zero_()\n    return {}\n" + UPDATE,
        "init changed its parameter",
    ),
    "random": (
        HEAD + INIT + body("return param - 0.1 * grad * torch.rand(()), {}"),
        "shown again in another order",
    ),
    "random init": (
        HEAD + SLOT.replace("zeros_like", "rand_like") + body("return param - 0.1 * grad, {'m': state['m']}"),
        "init gave another state",
    ),
    "too much state": (
        HEAD
        + "def init(param):\n    return {'m': torch.zeros(5 * param.numel() + 20)}\n"
        + body("return param - 0.1 * grad, {'m': state['m']}"),
        "at most",
    ),
    "late steps": (HEAD + INIT + body("return param - grad * math.exp(step), {}"), "OverflowError"),
    "climbs": (HEAD + INIT + body("return param + 0.1 * grad, {}"), "against the gradient"),
    "stands still": (HEAD + INIT + body("return param * 1.0, {}"), "against the gradient"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_program_is_refused_in_words(name: str) -> None:
    source, words = BROKEN[name]
    wrong = examine(PROPERTIES, load(source), 20.0)
    assert wrong is not None
    assert re.search(words, wrong), wrong


@pytest.mark.parametrize("name", TASK.seeds)
def test_probe_repeats_and_does_not_depend_on_earlier_calls(name: str) -> None:
    first, second = load(TASK.seeds[name]), load(TASK.seeds[name])
    examine(PROPERTIES, second, 20.0)
    assert behaviour(probe(first)) == behaviour(probe(second))


def test_probe_tells_apart_what_only_happens_to_untouched_rows() -> None:
    lazy = HEAD + INIT + body("return torch.where(grad == 0.0, param, param * 0.99) - 0.1 * grad, {}")
    eager = HEAD + INIT + body("return param * 0.99 - 0.1 * grad, {}")
    assert behaviour(probe(load(lazy))) != behaviour(probe(load(eager)))


def test_probe_sees_a_late_schedule() -> None:
    steady = HEAD + INIT + UPDATE
    cooled = HEAD + INIT + body("return param - hp['lr'] * grad * (0.5 if step > 50 else 1.0), {}")
    assert behaviour(probe(load(steady))) != behaviour(probe(load(cooled)))
