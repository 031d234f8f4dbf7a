"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...kinds.patch import (
    check_module_name,
    facts_of,
    module_files,
    refuse_taken,
    shared_values,
    title_of,
)
from ...kinds.task import Winner
from .program import PatchProgram

TEMPLATES = Path(__file__).with_name("templates")
OWN_NAMES = frozenset(
    {
        "Any",
        "BLOCK",
        "Callable",
        "Iterable",
        "Iterator",
        "Member",
        "Optimizer",
        "Tensor",
        "math",
        "sys",
        "torch",
    }
)
"""Names that the module binds beside those of the program."""


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
        "uses_math": program.uses_math,
        "reach": program.reach,
        "in_place": program.in_place,
        "counter": "step_number" if "step" in program.slots else "step",
    }
    return module_files(TEMPLATES, name, values)


def _lr_factor(provenance: Mapping[str, Any]) -> float:
    verdicts = [value for value in provenance.values() if isinstance(value, Mapping) and "facts" in value]
    judged = [verdict["facts"]["lr_factor"] for verdict in verdicts if "lr_factor" in verdict["facts"]]
    return float(provenance.get("lr_factor", judged[0] if judged else 1.0))
