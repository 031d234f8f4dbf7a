"""One sandbox and one small judge for the folder: simulated users, a log that can just rank rewards."""

from collections.abc import Iterator

import pytest

from recevolve.evaluators.reward.judge import RewardJudge
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox

DATA = {"source": "simulated"}
LIMITS = Limits(cpu_seconds=20.0)
SETTINGS = {"log_users": 30_000, "rung_rows": (2_000, 8_000, 100_000), "users": 600, "guard_users": 2_000}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TASK.preload) as made:
        yield made


@pytest.fixture(scope="session")
def judge() -> RewardJudge:
    return RewardJudge(DATA, SETTINGS, LIMITS, "test")
