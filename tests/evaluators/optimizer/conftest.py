"""One sandbox and one small judge for the folder: a synthetic log, few rows, small batches."""

from collections.abc import Iterator

import pytest

from recevolve.evaluators.optimizer.judge import OptimizerJudge
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox

DATA = {"source": "synthetic", "rows": 6_000}
LIMITS = Limits(cpu_seconds=20.0)
SETTINGS = {
    "rung_rows": (1_000, 2_000),
    "rung_factors": (2, 1),
    "factors": (0.3, 1.0),
    "batch": 64,
    "epochs": 2.0,
    "folds": 2,
    "transfer": False,
    "guard_steps": 6,
}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TASK.preload) as made:
        yield made


@pytest.fixture(scope="session")
def judge() -> OptimizerJudge:
    return OptimizerJudge(DATA, SETTINGS, LIMITS, "test")
