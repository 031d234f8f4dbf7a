"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

import keyword
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from ..task import Winner
from .patch_program import PatchProgram

TEMPLATES = Path(__file__).with_name("templates")
WIDTH = 88
OWN_NAMES = frozenset({"Any", "Callable", "Iterable", "Optimizer", "Sequence", "Tensor", "math", "torch"})
"""Names that the module binds beside those of the program."""
FOREACH_WORDS = (
    "`foreach` joins parameters into one vector before the update, which treats each number by itself."
)


def export(winner: Winner) -> Mapping[str, str]:
    """Three files by name: the optimizer, its tests, and a README.

    `winner.name` becomes the module's name and, in capitals, the class. Where `winner.provenance` holds
    `lr_factor`, or a verdict with that fact, the exported default rate is the program's times that factor,
    the one it was judged at. ValueError for a name that is no module's, or that the program uses itself.
    """
    name = winner.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name == "torch":
        raise ValueError(f"a name must be a lower-case Python module name, got {name!r}")
    title = "".join(part.capitalize() for part in name.split("_"))
    program = PatchProgram(winner.source, _lr_factor(winner.provenance))
    if taken := program.names & (OWN_NAMES | {title}):
        used = ", ".join(sorted(taken))
        raise ValueError(f"the program uses {used} itself; choose another name than {name!r}")
    facts = _facts(winner.provenance)
    values = {
        "name": name,
        "title": title,
        "test_file": f"test_{name}.py",
        "lr": repr(program.hyperparameters["lr"]),
        "program": program.text(),
        "archived": _as_literal(winner.source),
        "header": _header(facts),
        "facts": _bullets(facts) or "Nothing was recorded.",
        **_imports(program),
        **_class(program),
    }
    values |= _joining(values, program.elementwise)
    return {
        f"{name}.py": _filled("module", values),
        f"test_{name}.py": _filled("test", values).rstrip("\n") + "\n",
        "README.md": _filled("readme", values),
    }


def _lr_factor(provenance: Mapping[str, Any]) -> float:
    verdicts = [value for value in provenance.values() if isinstance(value, Mapping) and "facts" in value]
    judged = [verdict["facts"]["lr_factor"] for verdict in verdicts if "lr_factor" in verdict["facts"]]
    return float(provenance.get("lr_factor", judged[0] if judged else 1.0))


def _imports(program: PatchProgram) -> dict[str, str]:
    abstract = ["Callable", "Iterable", "Sequence"] if program.elementwise else ["Callable", "Iterable"]
    standard = [f"from collections.abc import {', '.join(abstract)}", "from typing import Any"]
    standard = ["import math", *standard] if program.uses_math else standard
    third = ["import torch", "from torch import Tensor", "from torch.optim import Optimizer"]
    return {"imports": "\n".join([*standard, "", *third])}


def _class(program: PatchProgram) -> dict[str, str]:
    """The parts of the class that hold hyperparameters."""
    words = ["`maximize` climbs instead of descending."]
    words += [FOREACH_WORDS] if program.elementwise else []
    words += ["Sparse gradients and complex parameters are refused with a RuntimeError."]
    names = [*program.hyperparameters, "maximize", *(["foreach"] if program.elementwise else [])]
    return {
        "class_words": textwrap.indent(textwrap.fill(" ".join(words), WIDTH - 4), " " * 4),
        "arguments": "\n".join(f"        {n}: float = {v!r}," for n, v in program.hyperparameters.items()),
        "defaults": "\n".join(f'            "{name}": {name},' for name in names),
    }


def _joining(values: Mapping[str, str], elementwise: bool) -> dict[str, str]:
    """The parts that are there only where parameters may be joined."""
    each = "for param, grad in pairs:\n    self._advance(param, grad, hp)"
    empty = ("foreach_argument", "joined", "joined_functions", "foreach_test", "readme_words")
    parts = dict.fromkeys(empty, "")
    if elementwise:
        each = 'if group["foreach"]:\n    self._advance_joined(pairs, hp)\n    continue\n' + each
        parts = {
            "foreach_argument": "\n        foreach: bool = False,",
            "joined": _filled("joined", values),
            "joined_functions": _filled("joined_functions", values),
            "foreach_test": _filled("foreach_test", values),
            "readme_words": "\n`foreach=True` joins parameters into one vector: fewer calls, same result.",
        }
    return parts | {"dispatch": textwrap.indent(each, " " * 12)}


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(values)


def _facts(provenance: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Provenance as (words, lines) pairs, fit for a docstring and for Markdown; empty values are left out."""
    facts = [(key, [_line(line) for line in _lines(value)]) for key, value in provenance.items()]
    return [(_line(key.replace("_", " ")), lines) for key, lines in facts if any(lines)]


def _lines(value: Any) -> list[str]:
    """One line for a plain value or a verdict, one for each item of anything else."""
    if isinstance(value, Mapping) and "facts" not in value:
        return [f"{key}: {_words(item)}" for key, item in value.items()]
    return [_words(item) for item in value] if isinstance(value, (list, tuple)) else [_words(value)]


def _bullets(facts: list[tuple[str, list[str]]]) -> str:
    blocks = []
    for key, (first, *more) in facts:
        nested = "".join(f"\n  - {line}" for line in (first, *more))
        blocks.append(f"- {key}:{nested}" if more else f"- {key}: {first}")
    return "\n".join(blocks)


def _words(value: Any) -> str:
    match value:
        case {"status": status, "score": (score, *_), "facts": facts}:
            return _words({str(status): score, **facts})
        case Mapping():
            return "; ".join(f"{key} {_words(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(_words, value))
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def _line(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace("\\", "/").replace('"""', "'''").split())


def _header(facts: list[tuple[str, list[str]]]) -> str:
    lines = []
    for key, (first, *more) in facts:
        lines += [f"{key}:", *(f"  {line}" for line in (first, *more))] if more else [f"{key}: {first}"]
    lines = [textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines]
    return "\n".join(lines).rstrip('"') or "Nothing was recorded about its origin."


def _as_literal(source: str) -> str:
    """The source as a Python literal, line by line where that is possible."""
    for quotes in ('"""', "'''"):
        if quotes not in source and "\\" not in source:
            return f"{quotes}\\\n{source.rstrip()}\n{quotes}"
    return repr(source)
