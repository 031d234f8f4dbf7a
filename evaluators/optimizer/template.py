"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kinds.patch import (
    WIDTH,
    check_module_name,
    facts_of,
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
        "program": program.text(),
        "hyperparameters": program.hyperparameters,
        "elementwise": program.elementwise,
        "uses_math": program.uses_math,
        "class_words": _class_words(program.elementwise),
    }
    return module_files(TEMPLATES, name, values)


def _lr_factor(provenance: Mapping[str, Any]) -> float:
    verdicts = [value for value in provenance.values() if isinstance(value, Mapping) and "facts" in value]
    judged = [verdict["facts"]["lr_factor"] for verdict in verdicts if "lr_factor" in verdict["facts"]]
    return float(provenance.get("lr_factor", judged[0] if judged else 1.0))


def _class_words(elementwise: bool) -> str:
    words = ["`maximize` climbs instead of descending."]
    words += [FOREACH_WORDS] if elementwise else []
    words += ["Sparse gradients and complex parameters are refused with a RuntimeError."]
    return textwrap.indent(textwrap.fill(" ".join(words), WIDTH - 4), " " * 4)
