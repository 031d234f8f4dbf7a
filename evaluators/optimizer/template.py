"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

import ast
import keyword
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from ..task import Winner
from .language import ELEMENTWISE

TEMPLATES = Path(__file__).with_name("templates")
WIDTH = 108
OWN_NAMES = frozenset("Any Callable Iterable Optimizer Sequence Tensor math torch".split())
"""Names that the module binds beside those of the program."""
FOREACH_WORDS = """ `foreach` joins small parameters into one vector
    before the update, which treats each number by itself: fewer calls, the same result."""


def export(winner: Winner) -> Mapping[str, str]:
    """Three files by name: the optimizer, its tests, and a README.

    `winner.name` becomes the module's name and, in capitals, the class. Where `winner.provenance` holds
    `lr_factor`, the exported default rate is the program's times that factor. ValueError for a name that cannot
    be a module's, or that the program uses itself.
    """
    name = winner.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name == "torch":
        raise ValueError(f"a name must be a lower-case Python module name, got {name!r}")
    title = "".join(part.capitalize() for part in name.split("_"))
    program = _Program(winner.source, float(winner.provenance.get("lr_factor", 1.0)))
    if taken := program.names & (OWN_NAMES | {title}):
        raise ValueError(
            f"the program uses {', '.join(sorted(taken))} itself; choose another name than {name!r}"
        )
    values = {
        "name": name,
        "title": title,
        "test_file": f"test_{name}.py",
        "lr": repr(program.hyperparameters["lr"]),
        "summary": "a torch optimizer that RecEvolve found.",
        "program": program.text,
        "archived": _as_literal(winner.source),
        "foreach_words": "",
        "foreach_test": "",
    }
    values |= _constructor(program)
    facts = _facts(winner.provenance)
    header = _filled("module", values | {"provenance": _header(facts)})
    readme = values | {"provenance": "\n".join(f"- {key}: {value}" for key, value in facts)}
    if program.elementwise:
        readme["foreach_words"] = " `foreach=True` joins small parameters into one vector."
        values["foreach_test"] = _filled("foreach_test", values).rstrip("\n")
    return {
        f"{name}.py": header,
        f"test_{name}.py": _filled("test", values).rstrip("\n") + "\n",
        "README.md": _filled("readme", readme),
    }


class _Program:
    """The archived source, taken apart."""

    def __init__(self, source: str, lr_factor: float) -> None:
        tree = ast.parse(source)
        self.names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        self.hyperparameters: dict[str, Any] = {}
        parts = []
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.names.add(node.targets[0].id)
                if node.targets[0].id == "HYPERPARAMETERS":
                    self.hyperparameters = ast.literal_eval(node.value)
                    self.hyperparameters["lr"] *= lr_factor
                    parts.append(f"HYPERPARAMETERS = {self.hyperparameters!r}".replace("'", '"'))
                else:
                    parts.append(ast.unparse(node))
            elif isinstance(node, ast.FunctionDef):
                parts.append(f"\n\n{ast.unparse(node)}")
        self.text = "\n".join(parts)
        self.uses_math = any(isinstance(n, ast.Name) and n.id == "math" for n in ast.walk(tree))
        self.elementwise = _elementwise(tree)


def _elementwise(tree: ast.Module) -> bool:
    """Whether every operation treats each number of a tensor by itself; read from the text, nothing is run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            scalar = isinstance(node.value, ast.Name) and node.value.id == "math"
            if not scalar and node.attr not in ELEMENTWISE:
                return False
        elif isinstance(node, ast.Subscript):
            if not (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)):
                return False
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return False
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
            return False
    return True


def _constructor(program: _Program) -> dict[str, str]:
    """The parts of the class that depend on hyperparameters and on whether parameters may be joined."""
    names = list(program.hyperparameters)
    typing = ["Callable", "Iterable", "Sequence"] if program.elementwise else ["Callable", "Iterable"]
    imports = ["import math"] if program.uses_math else []
    imports += [f"from collections.abc import {', '.join(typing)}", "from typing import Any", ""]
    imports += ["import torch", "from torch import Tensor", "from torch.optim import Optimizer"]
    defaults = [*names, "maximize", *(["foreach"] if program.elementwise else [])]
    one_by_one = "for param, grad in pairs:\n    self._advance(param, grad, hp)"
    dispatch = one_by_one
    if program.elementwise:
        dispatch = 'if group["foreach"]:\n    self._advance_joined(pairs, hp)\n    continue\n' + one_by_one
    made = {
        "imports": "\n".join(imports),
        "arguments": "\n".join(f"        {n}: float = {program.hyperparameters[n]!r}," for n in names),
        "defaults": ", ".join(f'"{name}": {name}' for name in defaults),
        "dispatch": textwrap.indent(dispatch, " " * 12),
        "foreach_argument": "",
        "joined": "",
    }
    if program.elementwise:
        made |= {
            "foreach_words": FOREACH_WORDS,
            "foreach_argument": "\n        foreach: bool = False,",
            "joined": (TEMPLATES / "joined.txt").read_text(encoding="utf-8"),
        }
    return made


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(values)


def _facts(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance as (words, one line of text) pairs, fit for a docstring and for Markdown."""
    return [(_line(key.replace("_", " ")), _line(_words(value))) for key, value in provenance.items()]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _line(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace("\\", "/").replace('"""', "'''").split())


def _header(facts: list[tuple[str, str]]) -> str:
    lines = [
        textwrap.fill(f"{key}: {value}", WIDTH, subsequent_indent="  ", break_long_words=False)
        for key, value in facts
    ]
    return "\n".join(lines) or "No provenance was recorded."


def _as_literal(source: str) -> str:
    """The source as a Python literal, line by line where that is possible."""
    if "\\" in source or '"""' in source:
        return repr(source)
    return f'"""\\\n{source.rstrip()}\n"""'
