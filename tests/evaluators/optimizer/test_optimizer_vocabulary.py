"""Every word of the vocabulary is in the language, and gives a program that runs."""

import re

import pytest

from recevolve.evaluators.language.static import check
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load

WORDS = {"tensor": "grad", "scalar": "0.5", "int": "step", "bool": "(grad > 0.0)"}
USES = {
    "tensor": "param - 0.1 * ({0})",
    "scalar": "param - ({0}) * grad",
    "int": "param - ({0}) * grad",
    "bool": "torch.where({0}, param, grad)",
}


def runs(source: str) -> None:
    import torch

    assert check(source, TASK.rules) == ()
    namespace = load(source)
    param = torch.linspace(-1.0, 1.0, 12).reshape(4, 3)
    new, _ = namespace["update"](
        param * 0.1, namespace["init"](param), param, 1, namespace["HYPERPARAMETERS"]
    )
    assert new.shape == param.shape


@pytest.mark.parametrize("template", [each.template for each in TASK.vocabulary.operators])
def test_operator(template: str) -> None:
    operator = next(each for each in TASK.vocabulary.operators if each.template == template)
    expression = operator.template.format(*(WORDS[kind] for kind in operator.arguments))
    value = USES[operator.result].format(expression)
    runs(
        'import torch\n\nHYPERPARAMETERS = {"lr": 0.1}\n\n\ndef init(param):\n    return {}\n\n\n'
        f"def update(grad, state, param, step, hp):\n    return {value}, {{}}\n"
    )


@pytest.mark.parametrize("name", [each.name for each in TASK.vocabulary.idioms])
def test_idiom(name: str) -> None:
    idiom = next(each for each in TASK.vocabulary.idioms if each.name == name)

    def plain(template: str) -> str:
        text = template.replace("{0}", "(param - 0.1 * grad)" if idiom.place == "result" else "grad")
        for constant in idiom.constants:
            text = re.sub(rf"(?<![\w\"]){constant}\b", f'hp["{constant}"]', text)
        for slot in idiom.state:
            text = re.sub(rf"(?<![\w\".]){slot}\b", f'state["{slot}"]', text)
        return text

    constants = "".join(f', "{key}": {value}' for key, value in idiom.constants.items())
    slots = ", ".join(f'"{slot}": {start}' for slot, start in idiom.state.items())
    kept = ", ".join(f'"{slot}": {plain(value)}' for slot, value in idiom.kept.items())
    lines = "".join(f"    {plain(line)}\n" for line in idiom.statements)
    result = plain(idiom.result) if idiom.place == "result" else f"param - {plain(idiom.result)}"
    runs(
        f'import torch\n\nHYPERPARAMETERS = {{"lr": 0.1{constants}}}\n\n\n'
        f"def init(param):\n    return {{{slots}}}\n\n\n"
        f"def update(grad, state, param, step, hp):\n{lines}    return {result}, {{{kept}}}\n"
    )
