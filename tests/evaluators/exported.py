"""Exports of seeds, written down and handed to a tool."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from recevolve.evaluators.kinds.task import Task, Winner
from recevolve.evaluators.language.canonical import canonical


def failure(task: Task, seeds: Iterable[str], folder: Path, *command: str) -> str:
    """What `python -m COMMAND` complains of, beside the patches of these seeds; empty where it ends well."""
    for seed in seeds:
        for file, text in task.export(
            Winner(f"evolved_{seed}", canonical(task.seeds[seed]), {"run": "r"})
        ).items():
            (folder / file).write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return f"exit code {run.returncode}: {run.stdout}{run.stderr}" if run.returncode else ""
