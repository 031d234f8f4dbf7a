"""The cheats of a kind: programs that try to win dishonestly, which lie beside the tests that catch them."""

import runpy
from pathlib import Path

from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.kinds.task import Task


def of(task: Task) -> dict[str, str]:
    """Source by name: the kind's programs, or patches on a seed of the kind as it is by default."""
    folder = Path(__file__).parent / task.kind / "cheats"
    if (patches := folder / "patched.py").exists():
        return dict(runpy.run_path(str(patches))["of"](task.settings()))
    return dict(programs(folder))
