"""Budget: decides how many generations are committed, never what is in them."""

from collections.abc import Callable
from dataclasses import dataclass

from ..config import config


@dataclass(frozen=True)
class Budget:
    """What a run may still spend. `clock` gives seconds; `spent` are those of earlier sessions."""

    limits: config.Budget
    candidates_per_generation: int
    clock: Callable[[], float]
    started: float
    spent: float = 0.0

    def seconds_used(self) -> float:
        """Seconds of searching so far, over all sessions."""
        return self.spent + self.clock() - self.started

    def last_generation(self) -> int:
        """The last generation that `generations` and `candidates` allow: a pure function of the config."""
        return min(self.limits.generations, self.limits.candidates // self.candidates_per_generation)

    def reached(self, generation: int) -> str | None:
        """Why `generation` may not start any more, or None. Generation 0 holds the seeds and is free."""
        if generation == 0:
            return None
        if generation > self.limits.generations:
            return f"generations: {self.limits.generations} done"
        if generation > self.last_generation():
            return f"candidates: {self.limits.candidates:,} allow no further generation"
        if self.seconds_used() >= self.limits.seconds:
            return f"seconds: {self.limits.seconds:g} used"
        return None
