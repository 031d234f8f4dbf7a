"""The patch: an archived layer as a `torch.nn.Module` that needs torch alone, with its tests."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kinds.patch import (
    check_module_name,
    constants_of,
    facts_of,
    module_files,
    program_text,
    refuse_taken,
    shared_values,
    title_of,
)
from ..kinds.task import Winner
from ..language.canonical import canonical

TEMPLATES = Path(__file__).with_name("templates")
OWN_NAMES = frozenset({"Tensor", "nn", "math", "torch"})
"""Names that the module binds beside those of the program."""
CLAIMS = {
    "invariant": "Fields in another order leave the output as it is.",
    "equivariant": "Fields in another order move the parts of the output along with them.",
}


def export(winner: Winner) -> Mapping[str, str]:
    """Three files by name: the module, its tests, and a README.

    `winner.name` becomes the module's name and, in capitals, the class. Hyperparameters become keyword
    arguments. ValueError for a name that is no module's, or that the program uses itself.
    """
    name = winner.name
    check_module_name(name, {"torch"})
    source = canonical(winner.source)  # parameters are drawn in the order of this text
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    constants = constants_of(tree)
    refuse_taken(name, {*constants, *(function.name for function in functions)}, {*OWN_NAMES, title_of(name)})
    facts = facts_of({key: _told(value) for key, value in winner.provenance.items()})
    claim = CLAIMS.get(constants.get("PERMUTATION", ""), "Every field has its own place: keep their order.")
    values = {
        **shared_values(name, source, facts),
        "program": program_text(constants, functions),
        "uses_math": any(isinstance(node, ast.Name) and node.id == "math" for node in ast.walk(tree)),
        "claim": claim,
        "parameters": ", ".join(f"`{each}`" for each in parameter_names(functions)) or "none",
        "hp": constants["HYPERPARAMETERS"],
    }
    return module_files(TEMPLATES, name, values)


def _told(value: Any) -> Any:
    """A value without the losses of single users, where it is a verdict."""
    match value:
        case {"facts": {"units": _} as facts}:
            return {**value, "facts": {key: item for key, item in facts.items() if key != "units"}}
    return value


def parameter_names(functions: list[ast.FunctionDef]) -> list[str]:
    """The keys of the dicts that init returns, where these are written out."""
    (init,) = [function for function in functions if function.name == "init"]
    keys = [key for node in ast.walk(init) if isinstance(node, ast.Dict) for key in node.keys]
    return list(dict.fromkeys(str(key.value) for key in keys if isinstance(key, ast.Constant)))
