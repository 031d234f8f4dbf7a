"""The patch: a reward as a module of its own, with its test."""

import keyword
import re
from collections.abc import Mapping
from pprint import pformat

from ..task import Winner


def export(winner: Winner) -> Mapping[str, str]:
    """Module, test and README by file name. ValueError for a name that is no module's."""
    name = winner.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name == "numpy":
        raise ValueError(f"a name must be a lower-case Python module name, got {name!r}")
    test = f"from {name} import WEIGHTS, reward\n\n\ndef test_it_can_be_imported() -> None:\n"
    test += "    assert callable(reward)\n    assert isinstance(WEIGHTS, dict)\n"
    facts = pformat(dict(winner.provenance), width=100)
    readme = f"# {name}\n\n`reward(signals)` gives one number per row.\n\n```text\n{facts}\n```\n"
    return {f"{name}.py": winner.source, f"test_{name}.py": test, "README.md": readme}
