"""Budget: decides how many generations are committed, never what is in them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..config import config


def nothing_ahead() -> tuple[float, float, float]:
    """No seconds for what comes, where nothing is foretold."""
    return 0.0, 0.0, 0.0


@dataclass
class Budget:
    """What a run may still spend. `clock` gives seconds; `spent` are those of earlier sessions.

    `ahead` gives (seconds of the conclusion, of a generation, of a promotion round) as they are foretold
    now: a generation that could not end before the conclusion must begin is not begun.
    """

    limits: config.Budget
    candidates_per_generation: int
    clock: Callable[[], float]
    started: float
    spent: float = 0.0
    ahead: Callable[[], tuple[float, float, float]] = nothing_ahead
    every: int = 1
    """Generations between promotion rounds."""
    _begun: dict[int, tuple[int, float]] = field(default_factory=dict, repr=False)
    """The generation that each island began last, and when."""
    _lasted: float | None = None
    """Seconds of the last generation that no round followed."""

    def seconds_used(self) -> float:
        """Seconds of searching so far, over all sessions."""
        return self.spent + self.clock() - self.started

    def last_generation(self) -> int:
        """The last generation that `generations` and `candidates` allow: a pure function of the config."""
        return min(self.limits.generations, self.limits.candidates // self.candidates_per_generation)

    def reached(self, generation: int, island: int = 0) -> str | None:
        """Why `generation` may not start any more, or None. Generation 0 holds the seeds and is free."""
        self._note(generation, island)
        if generation == 0:
            return None
        if generation > self.limits.generations:
            return f"generations: {self.limits.generations} done"
        if generation > self.last_generation():
            return f"candidates: {self.limits.candidates:,} allow no further generation"
        conclusion, lasts, held = self.ahead()
        lasts = lasts if self._lasted is None else self._lasted
        needed = conclusion + lasts + (held if generation % self.every == 0 else 0.0)
        if (used := self.seconds_used()) + needed >= self.limits.seconds:
            kept = f"; one more generation and the final judgement need {needed:.0f}" if needed else ""
            return f"seconds: {used:.0f} of {self.limits.seconds:g} used{kept}"
        return None

    def _note(self, generation: int, island: int) -> None:
        """Takes the time at which an island begins a generation."""
        now, (before, since) = self.clock(), self._begun.get(island, (-2, 0.0))
        if before == generation - 1 and before % self.every:
            self._lasted = now - since
        self._begun[island] = generation, now
