"""Matched steps take constant factors out of a comparison, and leave what else a rule does."""

import pytest

from recevolve.evaluators.kinds.properties import FACT, behaviour
from recevolve.evaluators.optimizer.properties import probe
from recevolve.evaluators.optimizer.step_length import STANDARD, matched_factor, step_length
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load

HEAD = 'import torch\nHYPERPARAMETERS = {"lr": 0.1}\ndef init(param):\n    return {}\n'


def rule(text: str) -> dict[str, object]:
    return load(f"{HEAD}def update(grad, state, param, step, hp):\n    return {text}, {{}}\n")


@pytest.mark.parametrize("name", TASK.seeds)
def test_known_methods_take_steps_of_the_standard_length(name: str) -> None:
    program = load(TASK.seeds[name])
    assert step_length(program, matched_factor(program)) == pytest.approx(STANDARD, rel=1e-5)


@pytest.mark.parametrize("name", TASK.seeds)
@pytest.mark.parametrize("factor", [0.037, 2.0, 50.0])
def test_another_rate_makes_no_other_behaviour(name: str, factor: float) -> None:
    """The rate that is found is the same, so the behaviour is, but for the last digits."""
    source = TASK.seeds[name]
    own = load(source)["HYPERPARAMETERS"]["lr"]
    other = load(source.replace(f'"lr": {own}', f'"lr": {own * factor!r}'))
    assert other["HYPERPARAMETERS"]["lr"] == own * factor
    found = probe(load(source)), probe(other)
    rates = [float(each.pop(f"{FACT}matched_lr")) for each in found]
    assert rates[0] == pytest.approx(rates[1], rel=1e-5)
    assert behaviour(found[0]) == behaviour(found[1]) or all(
        abs(found[0][key] - found[1][key]).max() < 1e-5 for key in found[0]
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('param - hp["lr"] * (grad + grad)', True),
        ('param - 7.0 * hp["lr"] * grad', True),
        ('param - hp["lr"] * torch.sign(grad)', False),
        ('param - hp["lr"] * grad / (1.0 + 0.1 * step)', False),
        ('param - hp["lr"] * (grad + 0.01 * param)', False),
    ],
)
def test_a_factor_is_no_other_rule_and_anything_else_is(text: str, same: bool) -> None:
    plain, other = (probe(rule(each)) for each in ('param - hp["lr"] * grad', text))
    for each in (plain, other):
        del each[f"{FACT}matched_lr"]
    assert (behaviour(plain) == behaviour(other)) == same


@pytest.mark.parametrize(
    "text", ["param", 'param - hp["lr"] * grad / 0.0', "param - 1e-3 * torch.sign(grad)"]
)
def test_a_rule_whose_steps_no_rate_changes_stands_at_its_own(text: str) -> None:
    assert matched_factor(rule(text)) == 1.0
