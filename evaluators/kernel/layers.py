"""Layers: an interaction layer that a search found, as the operator that kernels are to compute."""

import ast
import linecache
import sys
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from types import ModuleType

import torch
from pydantic import BaseModel, ConfigDict, Field

from ...kernels.operators import OPERATORS, Operator
from ..language.canonical import canonical
from ..language.edit import renamed

TRIED = ({"B": 3, "F": 5, "D": 4}, {"B": 2, "F": 8, "D": 3})
"""Sizes on which a layer is compared with operators of ours."""


class Layer(BaseModel):
    """The table `kernel.reference`, as `recevolve run --reference RUN:PROGRAM` fills it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: str = Field(description="id of the interaction program")
    source: str = Field(description="its text, which is run as the reference: outside the sandbox, too")


@lru_cache(maxsize=8)
def operator_of_layer(layer: Layer) -> Operator:
    """The layer as an operator: inputs `x` and its parameters. ValueError where it is no interaction layer.

    Its reference is a function of a module of its own, so that it can be shown and exported.
    """
    from ..interaction.operator import operator_of  # it counts operations, for which it loads triton

    made = operator_of(f"layer_{layer.program[:8]}", layer.source)
    text = reference_text(layer.source, made.inputs)
    name = f"recevolve_layer_{sha256(text.encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    file = f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    sys.modules[name] = module
    exec(compile(text, file, "exec"), module.__dict__)  # it obeys the language of layers: operator_of checked
    return replace(made, reference=module.__dict__["reference"])


def reference_text(source: str, inputs: tuple[str, ...]) -> str:
    """The layer as plain functions without constants; the last one, `reference`, takes the inputs by name."""
    tree = ast.parse(canonical(source))
    constants = {
        node.targets[0].id: ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "init"]
    params = ", ".join(f"{name!r}: {name}" for name in inputs[1:])
    call = f"interact(x, {{{params}}}, {constants['HYPERPARAMETERS']})"
    last = f"def reference({', '.join(inputs)}):\n    return {call}"
    texts = [ast.unparse(renamed(node, constants)) for node in functions]
    return "\n\n\n".join(["import torch", *texts, last]) + "\n"


def equal_operator(operator: Operator) -> Operator | None:
    """The operator of ours that takes the same inputs and gives the same results, None where there is none.

    Compared in float64 on random inputs: its programs compute what the layer computes.
    """
    for ours in OPERATORS.values():
        if ours.inputs == operator.inputs and all(
            _agree(ours, operator, number) for number in range(len(TRIED))
        ):
            return ours
    return None


def _agree(ours: Operator, operator: Operator, number: int) -> bool:
    inputs = operator.draw(TRIED[number], torch.float64, torch.Generator().manual_seed(number))
    with torch.no_grad():
        theirs, known = operator.reference(*inputs), ours.reference(*inputs)
    return theirs.shape == known.shape and torch.allclose(theirs, known, rtol=1e-9, atol=1e-9)
