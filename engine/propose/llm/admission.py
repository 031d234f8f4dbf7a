"""Admission: the note in a folder of prompt templates that lets them compete as arms."""

import json
from pathlib import Path

from ...config.config import ConfigError

ADMISSION = "admission.json"


def require_admitted(folder: Path, kind: str, fingerprint: str) -> None:
    """Raises ConfigError where the folder holds no admission of these very templates for this kind."""
    path = folder / ADMISSION
    how = f"run `recevolve admit RUN {folder}` on a run of kind {kind}"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        admitted = facts["admitted"] and (facts["kind"], facts["templates"]) == (kind, fingerprint)
    except FileNotFoundError:
        raise ConfigError(f"propose.variants: {folder} was never admitted; {how}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"propose.variants: {path} cannot be read ({error}); {how}") from None
    if not admitted:
        raise ConfigError(f"propose.variants: {path} admits other templates, another kind, or not; {how}")
