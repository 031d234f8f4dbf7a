"""Check: a file judged as a candidate would be before any evaluation."""

from pathlib import Path
from typing import Any

from ...evaluators.kinds import registry
from ...evaluators.language import static
from ...evaluators.sandbox import Sandbox
from ...population.values.verdict import Status, Verdict
from ..config.config import ConfigError


def check(file: Path, kind: str, tasks: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The verdict as JSON: INVALID with every static problem, else that of the properties in the sandbox."""
    task = registry.find(kind, tasks)
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: expected the source of a program: {error}") from None
    if problems := static.check(source, task.rules):
        return Verdict(Status.INVALID, reason="\n".join(map(str, problems))).to_json()
    with Sandbox(task.preload) as sandbox:
        return task.examine(static.canonical(source), sandbox).to_json()
