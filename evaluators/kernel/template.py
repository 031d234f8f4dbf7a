"""The patch: an archived kernel program as an autograd function and a module, with fallback and tests."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...kernels.operators import Operator
from ..kinds.patch import (
    bullets,
    check_module_name,
    constants_of,
    double_quoted,
    facts_of,
    filled,
    function_text,
    headed,
    header,
    headline,
    line,
)
from ..kinds.task import Winner
from .settings import Settings, operator_for

TEMPLATES = Path(__file__).parent / "templates"
OWN_NAMES = frozenset({
    "Any", "DIFFERENTIABLE", "DTYPES", "Tensor", "nn", "once_differentiable", "reference", "tl", "torch",
    "triton", "uses_kernels",
})  # fmt: skip
TRIED = (1, 2, 3)
"""Which of the operator's hidden sizes the exported test tries."""
ESTIMATED = """\
| sizes | share of the roofline (static estimate) | bound by (estimate) |
| --- | --- | --- |
{rows}

Nothing in this table was measured: it is what a model makes of the compiled kernels ({trust}). Time them on
your GPU before you use them in the place of something else."""
MEASURED = """\
| sizes | share of the roofline (measured) |
| --- | --- |
{rows}"""


def export_for(settings: Settings) -> Callable[[Winner], Mapping[str, str]]:
    """`export` for programs of these settings."""
    return partial(files, operator_for(settings))


def files(operator: Operator, winner: Winner) -> Mapping[str, str]:
    """Three files by name: the module, its tests and README.md. The program is never executed here.

    ValueError for a name that is no module's or that the program uses itself.
    """
    tree = ast.parse(winner.source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    constants = constants_of(tree)
    used = {node.name for node in functions} | constants.keys()
    check_module_name(winner.name, used | OWN_NAMES)
    if clash := sorted(used & OWN_NAMES):
        raise ValueError(f"the program names something {', '.join(clash)}, as the patch does; rename it")
    facts = facts_of({key: value for key, value in winner.provenance.items() if key != "edits"})
    title = "".join(word.capitalize() for word in winner.name.split("_"))
    names = operator.inputs
    values = {
        "name": winner.name,
        "title": title,
        "test_file": f"test_{winner.name}.py",
        "summary": operator.summary[0].upper() + operator.summary[1:],
        "header": header(facts),
        "facts": bullets(facts) or "Nothing was recorded.",
        "constants": "\n".join(f"{n} = {double_quoted(repr(value))}" for n, value in constants.items()),
        "config": ", ".join(f"`{name}` {value}" for name, value in constants["CONFIG"].items()) or "nothing",
        "kernels": "\n\n\n".join(function_text(node) for node in functions if node.decorator_list),
        "hosts": "\n\n\n".join(function_text(node) for node in functions if not node.decorator_list),
        "reference": reference_text(operator),
        "imports": "".join(f"\n{each}" for each in _gathered(operator)[1]),
        "inputs": ", ".join(names),
        "inputs_tuple": f"({names[0]},)" if len(names) == 1 else ", ".join(names),
        "first": names[0],
        "arguments": ": Tensor, ".join(names),
        "annotated": ", ".join(f"{name}: Tensor" for name in names),
        "names": _tuple(names),
        "differentiable": f"({_tuple(operator.differentiable)})",
        "differentiable_words": " and ".join(f"`{name}`" for name in operator.differentiable),
        "cases": _cases(operator),
        "table": _table(winner.provenance),
    }
    return {
        f"{winner.name}.py": filled(TEMPLATES, "module", values),
        f"test_{winner.name}.py": filled(TEMPLATES, "test", values),
        "README.md": headed(filled(TEMPLATES, "readme", values), headline(facts)),
    }


def _tuple(names: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{quoted}," if len(names) == 1 else quoted


def reference_text(operator: Operator) -> str:
    """The source of the reference under the name `reference`, after what it calls in its module."""
    texts, _ = _gathered(operator)
    own = texts.pop(operator.reference.__name__)
    renamed = own.replace(f"def {operator.reference.__name__}(", "def reference(", 1)
    return "\n\n\n".join([*reversed(texts.values()), renamed])


def _gathered(operator: Operator) -> tuple[dict[str, str], list[str]]:
    """(Sources of the reference and of what it calls in its module; imports of what it calls elsewhere)."""
    home = vars(inspect.getmodule(operator.reference))
    texts: dict[str, str] = {}
    imports: set[str] = set()
    waiting = [operator.reference]
    while waiting:
        function = waiting.pop(0)
        text = textwrap.dedent(inspect.getsource(function)).strip()
        texts[function.__name__] = text
        for name in {
            node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)
        } & home.keys():
            each = home[name]
            if not inspect.isfunction(each) or name in texts:
                continue
            if each.__module__ == operator.reference.__module__:
                waiting.append(each)
            else:
                imports.add(f"from {each.__module__} import {name}")
    return texts, sorted(imports)


def _cases(operator: Operator) -> str:
    """Inputs of a few sizes as a literal: shape and spread of numbers, whole values of indices."""
    sizes = list(itertools.islice(operator.hidden(0), max(TRIED) + 1))
    cases = []
    for number in TRIED:
        inputs = operator.draw(sizes[number], torch.float32, torch.Generator().manual_seed(number))
        items = ", ".join(
            f'"{name}": {_case(each)}' for name, each in zip(operator.inputs, inputs, strict=True)
        )
        cases.append(f"    {{{items}}},\n")
    return "[\n" + "".join(cases) + "]"


def _case(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        spread = f"{float(tensor.std()):.3g}" if tensor.numel() > 1 else "1"
        return f"({tuple(tensor.shape)}, {'1.0' if 'e' in spread else spread})"
    return f'({tensor.tolist()}, "{str(tensor.dtype).removeprefix("torch.")}")'


def _table(provenance: Mapping[str, Any]) -> str:
    """What a reader may expect, labelled: measured shares, or estimated ones, or that there are none."""
    proxy = provenance.get("proxy")
    facts = proxy.get("facts", {}) if isinstance(proxy, Mapping) else {}
    if measured := facts.get("measured_shares"):
        rows = "\n".join(f"| {line(str(name))} | {share:.0%} |" for name, share in measured.items())
        return MEASURED.format(rows=rows)
    if shares := facts.get("shares"):
        bounds = facts.get("bound", {})
        rows = "\n".join(
            f"| {line(str(name))} | {share:.0%} | {line(str(bounds.get(name, '')))} |"
            for name, share in shares.items()
        )
        return ESTIMATED.format(rows=rows, trust=line(str(facts.get("trust", "uncalibrated"))))
    return "Nothing was estimated or measured for this export: time it on your GPU before you use it."
