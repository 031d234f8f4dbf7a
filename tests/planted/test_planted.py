"""The planted kinds: what was planted scores best, seeds score less, and all of it runs in the sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.values.verdict import Status

KINDS = ("convex", "reward", "expression")
ANSWERS = {
    "expression": """import numpy

CONSTANTS = {"a": 1.7}


def f(x, y, c):
    return c["a"] * numpy.sin(1.37 * x + 0.4) + 0.62 * x * y - 0.83 * numpy.tanh(2.1 * y)
""",
    "reward": """import numpy

WEIGHTS = {"a": 0.9}


def reward(click, dwell, share, skip, w):
    return (
        w["a"] * numpy.log1p(dwell / 7.0) + 1.6 * share * numpy.tanh(0.45 * click) - 2.2 * skip + 0.17 * click
    )
""",
}


def planted(kind: str) -> Task:
    return registry.find(kind, [Path(__file__).parent / kind])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(planted("reward").preload) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_obey_the_rules_and_are_scored_on_every_rung(kind: str, sandbox: Sandbox) -> None:
    task = planted(kind)
    judge = task.judge({}, {}, Limits())
    for source in task.seeds.values():
        assert check(source, task.rules) == ()
        assert task.examine(source, sandbox).facts["behaviour"]
        for rung in range(judge.rungs):
            assert judge.proxy(source, rung, sandbox).status is Status.SCORED


@pytest.mark.parametrize(("kind", "best"), [("expression", 0.0), ("reward", 1.0)])
def test_what_was_planted_is_the_best_there_is(kind: str, best: float, sandbox: Sandbox) -> None:
    task = planted(kind)
    judge = task.judge({}, {}, Limits())
    assert check(ANSWERS[kind], task.rules) == ()
    score = judge.proxy(ANSWERS[kind], 1, sandbox).score
    assert score is not None
    assert score.value == pytest.approx(best, abs=1e-9)
    for source in task.seeds.values():
        seed = judge.proxy(source, 1, sandbox).score
        assert seed is not None
        assert seed.value < best - 0.1


def test_the_convex_score_counts_the_digits_won(sandbox: Sandbox) -> None:
    task = planted("convex")
    judge = task.judge({}, {}, Limits())
    idle = task.seeds["descent"].replace("0.1", "0.0")
    scores = [judge.proxy(source, 1, sandbox).score for source in (idle, task.seeds["descent"])]
    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[0].value == pytest.approx(0.0, abs=1e-9), "who stays at the start has won none"
    assert 0.2 < scores[1].value < 6
