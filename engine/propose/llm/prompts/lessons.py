"""Lessons: the journal in a dozen lines, written by a model now and then, the same for all islands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .....evaluators.language.sanitize import one_line
from .....population.archive.history import History
from .....population.archive.views import Views
from ....config.config import Config
from ...journal import Journal
from ..client import Ask, Models
from ..endpoint import Outcome
from .prompt import Prompts

MOST, LONGEST = 12, 240
"""Lessons, and characters of each."""
SAMPLE = "lessons/"
"""How the ledger's key of a distillation begins; the promotion round's generation follows."""

_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(?P<words>\S.*)$")


@dataclass(frozen=True)
class Lessons:
    """The lessons of a run, written by the first model of its config."""

    prompts: Prompts
    journal: Journal
    config: Config
    models: Models
    _known: dict[int, tuple[str, ...]] = field(default_factory=dict)

    async def at(self, generation: int, *, until: float | None = None) -> tuple[str, ...]:
        """The lessons in force at that generation, asked for where they are due.

        They are due at each promotion round that passed a multiple of `propose.lessons_every`, and stay as
        they were where the model gives none. `until` is a value of the models' clock.
        """
        lessons = self.journal.warm_start[1]
        for round_at in rounds(self.config, self.journal.last_round(generation)):
            if round_at not in self._known:
                self._known[round_at] = await self._distilled(round_at, lessons, until)
            lessons = self._known[round_at]
        return lessons

    async def _distilled(self, round_at: int, before: Sequence[str], until: float | None) -> tuple[str, ...]:
        model = self.config.propose.chosen[0]
        room = None if model.context is None else max(0, (model.context - model.max_tokens) * 2 // 3)
        entries = self.journal.entries_at(round_at, room)
        if not entries:
            return tuple(before)
        messages = self.prompts.lessons(entries, before, MOST)
        answer = await self.models.ask(Ask(model.name, messages, f"{SAMPLE}{round_at}"), until=until)
        return read(answer.text) or tuple(before) if answer.outcome is Outcome.ANSWERED else tuple(before)


def rounds(config: Config, last: int) -> list[int]:
    """The promotion rounds up to `last` with lessons due: each that passed a multiple of `lessons_every`."""
    every, due = config.north_star.every, config.propose.lessons_every
    if not due:
        return []
    return [one for one in range(every, last + 1, every) if one // due > (one - every) // due]


def read(text: str) -> tuple[str, ...]:
    """The lessons in a model's answer: its list items, each on one line."""
    found = (_BULLET.match(each) for each in text.splitlines())
    return tuple(one_line(one["words"], LONGEST) for one in found if one)[:MOST]


def recorded(archive: Views, last: int) -> tuple[str, ...]:
    """The newest lessons that the archive's ledger holds of promotion rounds up to `last`; needs no model."""
    newest: tuple[int, tuple[str, ...]] = (-1, ())
    for sample, answer in History(archive.connection, 1).answers(SAMPLE):
        round_at = int(sample.removeprefix(SAMPLE))
        lessons = read(answer["text"]) if answer["outcome"] == Outcome.ANSWERED else ()
        if lessons and newest[0] <= round_at <= last:
            newest = round_at, lessons
    return newest[1]
