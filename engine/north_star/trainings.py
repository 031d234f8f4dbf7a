"""How far a conclusion is, in trainings: said after each, and kept for `recevolve status`."""

from dataclasses import dataclass, field

from ..loop.context import SearchContext
from ..loop.events import Progress

CONCLUDING = "concluding"
"""The name of the conclusion under which an archive keeps how far the judgement of finalists is."""


@dataclass
class Trainings:
    """Counts folds of programs, each once. `of` is how many there will be at the most."""

    search: SearchContext
    progress: Progress
    line: str = ""
    of: int = 0
    done: set[tuple[str, str, int]] = field(default_factory=set)

    def expect(self, line: str, further: int) -> None:
        """So many more trainings are expected, at the most; `line` says for what."""
        self.line, self.of = line, len(self.done) + further

    def told(self, program_id: str, split: str, fold: int) -> None:
        """Takes one training that is done, or was recorded."""
        if (program_id, split, fold) in self.done:
            return
        self.done.add((program_id, split, fold))
        counts = {"done": len(self.done), "of": max(self.of, len(self.done))}
        generation = max(self.search.archive.generations().values())
        self.search.archive.conclude(CONCLUDING, {"generation": generation, "timings": counts})
        line = f"{self.line}: {counts['done']} of {counts['of']} trainings"
        self.progress.say("concluding", line=line, **counts)
