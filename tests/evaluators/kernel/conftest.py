"""What the tests of kernels share: one sandbox, one judge, an honest program in canonical form."""

from collections.abc import Iterator
from typing import Any

import pytest

from recevolve.evaluators.kernel.judge import KernelJudge
from recevolve.evaluators.kernel.settings import Settings
from recevolve.evaluators.kernel.task import TASK, task_for
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.sandbox import Limits, Sandbox

SMALL: dict[str, Any] = {"shapes": ("small", "criteo-kaggle"), "north_star": "estimate", "hidden_sizes": 3}
"""Settings that are cheap to judge under."""


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TASK.preload) as made:
        yield made


@pytest.fixture(scope="session")
def task() -> Task:
    return task_for(Settings(**SMALL))


@pytest.fixture(scope="session")
def judge() -> KernelJudge:
    return KernelJudge({}, SMALL, Limits(), "test")


@pytest.fixture(scope="session")
def row() -> str:
    """A plain honest program, canonical."""
    return canonical(TASK.seeds["row_per_program"])
