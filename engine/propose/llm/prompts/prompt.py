"""Prompt: what a model is shown: a constant part first, then what was learnt, then what to change.

Everything that candidates, logs or models wrote stands in code blocks, and the constant part says that
those hold data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from .....evaluators.kinds.task import Task
from .....evaluators.language.sanitize import clean, one_line
from .....population.values.member import Member
from ....config.config import Config
from ....config.proposers import Form
from ....loop.proposer import Parent, Request
from ...journal import Entry, Journal, estimate, render
from ..endpoint import Message
from .templates import BLOCKS, Templates

INSPIRATIONS = 3
FAILURES = 5
PER_MESSAGE = 6
"""Tokens that a chat template puts around a message, about."""
LONGEST_ANSWER = 16_000
NO_ANSWER = "(no answer)"


@dataclass(frozen=True, slots=True)
class Shown:
    """A program as a prompt shows it: its number among the parents (from 1), notes on it, its source."""

    number: int
    notes: str
    source: str


@dataclass(frozen=True)
class Briefing:
    """What `user.md` is rendered with."""

    form: Form
    quota: str
    lessons: tuple[str, ...] = ()
    journal: str = ""
    inspirations: tuple[Shown, ...] = ()
    failures: str = ""
    parents: tuple[Shown, ...] = ()
    """The first parent last."""
    standing: str = ""


def count(messages: Sequence[Message]) -> int:
    """About how many tokens the messages take."""
    return sum(estimate(message["content"]) + PER_MESSAGE for message in messages)


class Prompts:
    """The prompts of a run. `folder` holds templates that stand in for `propose.prompts` and for ours.

    ConfigError, with file and line, where a template cannot be rendered.
    """

    def __init__(self, task: Task, config: Config, journal: Journal, folder: Path | None = None) -> None:
        self._task = task
        self._config = config
        self._journal = journal
        folders = [each for each in (folder, config.propose.prompts) if each is not None]
        self._templates = Templates(folders, task.kind, task.persona)
        self._templates.check(self._samples())
        self._constant = cache(partial(_constant, self._templates, self._facts()))
        self.fingerprint = self._templates.fingerprint

    def messages(
        self, request: Request, form: Form, lessons: Sequence[str] = (), room: int | None = None
    ) -> tuple[Message, ...]:
        """The conversation that asks for one proposal: the same for the same request, scope and lessons.

        `room` is how many tokens it may take, about: the journal gives way first, then what else can be
        spared. The program to change, which is the first parent, is the last in it.
        """
        constant = self._constant(form)
        left = None if room is None else room - count(constant) - PER_MESSAGE
        text = self._user(self._briefing(request, form, lessons), request, left)
        return (*constant, {"role": "user", "content": text})

    def repair(self, messages: Sequence[Message], answer_text: str, problem: str) -> tuple[Message, ...]:
        """The conversation with the answer, and a turn that tells what is wrong with it."""
        answer = clean(answer_text[:LONGEST_ANSWER]).strip() or NO_ANSWER
        text = self._templates.render("repair.md", problem=clean(problem)[:LONGEST_ANSWER])
        return (*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": text})

    def lessons(self, entries: Sequence[Entry], before: Sequence[str], most: int) -> tuple[Message, ...]:
        """The conversation that asks for lessons from a journal; `before` are those of the last time."""
        told = tuple(one_line(each) for each in before)
        facts = self._facts()
        text = self._templates.render("lessons.md", **facts, journal=render(entries), before=told, most=most)
        return ({"role": "user", "content": text},)

    def _facts(self) -> dict[str, Any]:
        """What is constant for a run."""
        task, rules = self._task, self._task.rules

        def untold(names: frozenset[str]) -> list[str]:
            return sorted(name for name in names if f"`{name}`" not in task.contract)

        return {
            "persona": self._templates.persona(),
            "kind": task.kind,
            "summary": task.summary,
            "contract": task.contract.strip(),
            "functions": {name: ", ".join(parameters) for name, parameters in rules.functions.items()},
            "constants": rules.constants,
            "modules": {name: untold(known) for name, known in rules.modules.items()},
            "methods": untold(rules.methods),
            "builtins": untold(rules.builtins),
            "max_bytes": rules.max_bytes,
            "max_nodes": rules.max_nodes,
            "max_loop": rules.max_loop,
            "metrics": dict(task.metrics),
            "floors": tuple(task.floors),
            "guardrails": {**task.guardrails, **self._config.guardrails},
        }

    def _samples(self) -> dict[str, dict[str, Any]]:
        """Variables like those that each template is rendered with, every one of them filled."""
        one = Shown(1, "score: 1", "pass")
        briefing = Briefing("edits", "explore", ("a",), "b", (one,), "c", (replace(one, number=2), one), "d")
        facts = self._facts()
        return {
            "system.md": {**facts, "format": ""},
            "user.md": vars(briefing),
            "repair.md": {"problem": ""},
            "lessons.md": {**facts, "journal": "a", "before": ("b",), "most": 1},
            **{name: {} for name in BLOCKS},
        }

    def _briefing(self, request: Request, form: Form, lessons: Sequence[str]) -> Briefing:
        place = request.place
        shown = request.parents[: 2 if form == "crossover" else 1]
        failures = self._journal.failures(place.island, place.generation, FAILURES)
        inspiring = (Parent(one.program_id, one.source, one.score) for one in others(request, shown))
        return Briefing(
            form,
            str(request.quota),
            tuple(one_line(each) for each in lessons),
            inspirations=tuple(self._shown(0, one, request) for one in inspiring),
            failures=render(failures),
            parents=tuple(self._shown(number, one, request) for number, one in [*enumerate(shown, 1)][::-1]),
            standing=self._standing(request),
        )

    def _user(self, briefing: Briefing, request: Request, left: int | None) -> str:
        """The last message, with as much of the journal as there is room for."""
        spared = replace(briefing, inspirations=())
        for choice in (briefing, spared, replace(spared, failures="", lessons=())):
            bare = estimate(self._templates.render("user.md", **vars(choice)))
            if left is None or bare <= left:
                break
        tokens = None if left is None else max(0, left - bare - estimate(self._heading()))
        entries = self._journal.entries(request.place.island, request.place.generation, tokens)
        journal = render(entries)
        return self._templates.render("user.md", **vars(replace(choice, journal=journal)))

    def _heading(self) -> str:
        """What a journal brings with it besides its lines."""
        empty = Briefing("edits", "exploit")
        with_line = self._templates.render("user.md", **vars(replace(empty, journal="x")))
        return "x" * max(0, len(with_line) - len(self._templates.render("user.md", **vars(empty))))

    def _standing(self, request: Request) -> str:
        """The best score of the island and production's."""
        island, generation = request.place.island, request.place.generation
        home = self._journal.evaluation_of(self._journal.production, island, generation)
        best = max((one.score for one in request.population), default=None)
        lines = [f"production: score {home.score:.6g}"] if home and home.score is not None else []
        lines += [f"best of this island: score {best:.6g}"] if best is not None else []
        return "\n".join(lines)

    def _shown(self, number: int, parent: Parent, request: Request) -> Shown:
        """A program with what the island may know of it."""
        place = request.place
        member = next((one for one in request.population if one.program_id == parent.program_id), None)
        evaluation = self._journal.evaluation_of(parent.program_id, place.island, place.generation)
        star = self._journal.star_of(parent.program_id, place.generation)
        score = member.score if member else parent.score
        notes = []
        if score is not None:
            spread = evaluation.spread if evaluation and evaluation.score == score else None
            notes.append(f"score: {score:.6g}" + (f" ± {spread:.1g}" if spread else ""))
        if star is not None:
            notes.append(f"north star: {star} over production")
        if member is not None:
            notes.append(f"size: {member.size} syntax nodes")
            notes.append(f"cell: {one_line(', '.join(member.cell)) or 'none'}")
        if evaluation is not None:
            notes.append(f"made by: {one_line(evaluation.made_by, 80)}")
            notes.append(f"explanation: {one_line(evaluation.explanation)}")
        return Shown(number, "\n".join(notes), parent.source)


def others(request: Request, shown: Sequence[Parent], most: int = INSPIRATIONS) -> tuple[Member, ...]:
    """Programs of other cells of the island than the first parent's, best of each cell.

    Where there are more than `most`, each slot of a generation is shown others.
    """
    parents = {one.program_id for one in shown}
    home = next((one.cell for one in request.population if one.program_id == shown[0].program_id), None)
    firsts: dict[tuple[str, ...], Member] = {}
    for member in request.population:
        if member.program_id not in parents and member.cell != home:
            firsts.setdefault(member.cell, member)
    found = tuple(firsts.values())
    start = request.place.slot * most % max(len(found), 1)
    return (*found[start:], *found[:start])[:most]


def _constant(templates: Templates, facts: Mapping[str, Any], form: Form) -> tuple[Message, ...]:
    """The messages that are the same for every request of a run in this form."""
    name = f"forms/{form}.md"
    system = templates.render("system.md", **facts, format=templates.render(name, "format"))
    return (
        {"role": "system", "content": system, "cache": "1"},
        {"role": "user", "content": templates.render(name, "question")},
        {"role": "assistant", "content": templates.render(name, "answer"), "cache": "1"},
    )
