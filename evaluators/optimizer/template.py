"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kinds.patch import (
    WIDTH,
    check_module_name,
    facts_of,
    filled,
    module_files,
    refuse_taken,
    shared_values,
    title_of,
)
from ..kinds.task import Winner
from .patch_program import PatchProgram

TEMPLATES = Path(__file__).with_name("templates")
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
    check_module_name(name, {"torch"})
    program = PatchProgram(winner.source, _lr_factor(winner.provenance))
    refuse_taken(name, program.names, {*OWN_NAMES, title_of(name)})
    values = {
        **shared_values(name, winner.source, facts_of(winner.provenance)),
        "lr": repr(program.hyperparameters["lr"]),
        "program": program.text(),
        **_imports(program),
        **_class(program),
    }
    values |= _joining(values, program.elementwise)
    return module_files(TEMPLATES, name, values)


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
            "joined": filled(TEMPLATES, "joined", values),
            "joined_functions": filled(TEMPLATES, "joined_functions", values),
            "foreach_test": filled(TEMPLATES, "foreach_test", values),
            "readme_words": "\n`foreach=True` joins parameters into one vector: fewer calls, same result.",
        }
    return parts | {"dispatch": textwrap.indent(each, " " * 12)}
