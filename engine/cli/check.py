"""Check: a file judged as a candidate would be before any evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...evaluators.kinds import registry
from ...evaluators.language.canonical import canonical
from ...evaluators.language.static import check as problems_of
from ...evaluators.sandbox import Sandbox
from ...population.values.verdict import Status, Verdict
from ..config.config import ConfigError


def check(file: Path, kind: str, tasks: Sequence[Path]) -> dict[str, Any]:
    """The verdict as JSON: INVALID with every static problem, else that of the properties in the sandbox."""
    task = registry.find(kind, tasks)
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: expected the source of a program: {error}") from None
    if problems := problems_of(source, task.rules):
        return Verdict(Status.INVALID, reason="\n".join(map(str, problems))).to_json()
    with Sandbox(task.preload) as sandbox:
        return task.examine(canonical(source), sandbox).to_json()
