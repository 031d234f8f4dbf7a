"""The archived program as a person would like to read it in a patch: same computation, better names."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from ...kinds.patch import constants_of, program_text
from ...language.edit import renamed
from ...language.simplify import returned_dicts
from ..language import ACROSS, ELEMENTWISE
from .forms import call_of, of_rows, slots_of
from .in_place import in_place

NUMBERED = re.compile(r"v\d+")


class PatchProgram:
    """A program taken apart for the export: its text, hyperparameters (lr first, scaled) and names.

    Numbered locals that become a state slot or the new parameter are named after it. Annotations are left
    out, statements are untouched otherwise: the exported test shows that the bits are those of the archive.
    """

    def __init__(self, source: str, lr_factor: float) -> None:
        tree = ast.parse(source)
        tree.body = [
            renamed(node, _better_names(node)) if isinstance(node, ast.FunctionDef) else node
            for node in tree.body
        ]
        self.reach = reach(tree)
        self.in_place = in_place(tree)
        self.uses_math = any(isinstance(node, ast.Name) and node.id == "math" for node in ast.walk(tree))
        self.functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        constants = constants_of(tree)
        hp = constants.pop("HYPERPARAMETERS")
        self.hyperparameters: dict[str, float] = {"lr": float(f"{hp['lr'] * lr_factor:.12g}")}
        self.hyperparameters |= {name: value for name, value in hp.items() if name != "lr"}
        self.constants: Mapping[str, Any] = {"HYPERPARAMETERS": self.hyperparameters, **constants}
        self.slots = {
            slot
            for function in self.functions
            for each in returned_dicts(function)
            for slot in slots_of(each)
        }
        self.names = {*self.constants, *(function.name for function in self.functions)}

    def text(self) -> str:
        """Constants and functions, laid out as PEP 8 wants them."""
        return program_text(self.constants, self.functions)


def reach(tree: ast.Module) -> str:
    """How far a number sees: "number" by number, along the "row" of a matrix, or the whole "tensor".

    Read from every function but `init`; nothing is run.
    """
    found, seen = "number", set[ast.AST]()
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "init"]
    for node in (part for function in functions for part in ast.walk(function)):
        match node:
            case ast.Attribute(value=ast.Name(id="math")) | ast.Subscript(slice=ast.Constant(value=str())):
                continue
            case ast.Call(func=function) if (call := call_of(node)) and call[0] in ACROSS and of_rows(call):
                found = "row"
                seen.add(function)
            case ast.Attribute(attr=name) if name not in ELEMENTWISE | {"dim", "ndim"} and node not in seen:
                return "tensor"
            case ast.Subscript() | ast.MatMult() | ast.Name(id="len"):
                return "tensor"
    return found


def _better_names(function: ast.FunctionDef) -> dict[str, str]:
    """New names for numbered locals that end up in a state slot or as the new parameter."""
    taken = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    taken |= {argument.arg for argument in function.args.args}
    names: dict[str, str] = {}
    for node in ast.walk(function):
        pairs: list[tuple[ast.expr | None, str]] = []
        if isinstance(node, ast.Dict):
            pairs = [
                (value, f"new_{key.value}")
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            pairs = [(node.value.elts[0], "new_param")]
        for value, name in pairs:
            numbered = isinstance(value, ast.Name) and NUMBERED.fullmatch(value.id)
            if numbered and isinstance(value, ast.Name) and value.id not in names and name not in taken:
                names[value.id] = name
                taken.add(name)
    return names
