"""A budget decides how many generations there are; seconds of earlier sessions count."""

from recevolve.engine.config import config
from recevolve.engine.runs.budget import Budget


def budget(now: float = 0.0, spent: float = 0.0, **limits: float) -> Budget:
    return Budget(config.Budget.model_validate(limits), 64, lambda: now, 0.0, spent)


def test_seeds_are_free_and_the_first_limit_reached_says_so() -> None:
    assert budget(now=99, seconds=1).reached(0) is None
    assert "seconds" in (budget(now=99, seconds=1).reached(1) or "")
    assert "generations" in (budget(generations=3).reached(4) or "")
    assert budget(generations=3).reached(3) is None


def test_candidates_become_a_whole_number_of_generations() -> None:
    assert budget(candidates=200).last_generation() == 3
    assert budget(candidates=200).reached(3) is None
    assert "candidates" in (budget(candidates=200).reached(4) or "")


def test_seconds_of_earlier_sessions_count() -> None:
    assert budget(now=40, spent=59, seconds=100).reached(5) is None
    assert "seconds" in (budget(now=41, spent=59, seconds=100).reached(5) or "")
