"""One sandbox and one small judge for the folder: few rows, and a width that no property counts at."""

from collections.abc import Iterator

import pytest

from recevolve.evaluators.interaction.judge import InteractionJudge
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox

DATA = {"source": "synthetic", "rows": 6_000}
LIMITS = Limits(cpu_seconds=20.0)
SETTINGS = {
    "dim": 6,
    "batch": 128,
    "rung_epochs": (0.5, 1.0),
    "draws": 1,
    "epochs": 1.0,
    "folds": 2,
    "transfer": False,
    "guard_steps": 6,
}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TASK.preload) as made:
        yield made


@pytest.fixture(scope="session")
def judge() -> InteractionJudge:
    return InteractionJudge(DATA, SETTINGS, LIMITS, "test")
