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


class Paced:
    """A budget of 100 seconds whose clock is set by hand; the end takes 20, a round 15."""

    def __init__(self) -> None:
        self.now = 0.0
        limits = config.Budget.model_validate({"seconds": 100})
        self.budget = Budget(limits, 64, lambda: self.now, 0.0, 0.0, lambda: (20.0, 10.0, 15.0), every=5)

    def begins(self, generation: int, at: float, island: int = 0) -> bool:
        """Whether the island may begin the generation at that second."""
        self.now = at
        return self.budget.reached(generation, island) is None


def test_no_generation_begins_that_would_end_in_the_time_of_the_final_judgement() -> None:
    assert Paced().begins(1, at=69)
    late = Paced()
    assert not late.begins(1, at=70)
    assert "one more generation and the final judgement need 30" in (late.budget.reached(1) or "")


def test_a_generation_that_a_round_follows_needs_the_time_of_the_round() -> None:
    assert Paced().begins(4, at=60)
    assert not Paced().begins(5, at=60)


def test_the_last_generation_says_how_long_the_next_one_takes() -> None:
    slow, quick = Paced(), Paced()
    assert slow.begins(1, at=20)
    assert not slow.begins(2, at=60)  # it took 40, where 10 were foretold
    assert quick.begins(1, at=68)
    assert quick.begins(2, at=71)  # it took 3
    assert not quick.begins(3, at=78)


def test_a_generation_that_a_round_followed_says_nothing_of_the_next_one() -> None:
    paced = Paced()
    assert paced.begins(0, at=0)
    assert paced.begins(1, at=65)  # the seeds and the first round
    other = Paced()
    assert other.begins(5, at=0)
    assert other.begins(6, at=65)
