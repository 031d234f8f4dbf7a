"""LlmProposer: asks one model for one form of answer, and sends back once what fails its checks."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....evaluators.language.rules import Rules
from ....population.values.origin import NOTHING, Spend
from ...config.proposers import Form, Model, Propose
from ...loop.proposer import NoProposal, Parent, Proposal, Quota, Request
from .answers.answers import Edited, Unusable, read
from .answers.gbnf import grammar
from .client import Answer, Ask, Models
from .embeddings import Embeddings, most_similar
from .endpoint import Message, Outcome
from .novelty import nearest
from .prompts.lessons import Lessons
from .prompts.prompt import Prompts

UNUSABLE, INVALID, KNOWN, NEAR, REPAIRED = "unusable", "invalid", "known", "near", "repaired"
"""Outcomes of answers that arrived: no program in it; one that fails its checks; one that is on record;
one that is too near to the island; one that the repair turn made good."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer: the outcome in one word, and the words that the model is told."""

    outcome: str
    problem: str
    edited: Edited | None = None
    """The program, where there is one."""


@dataclass(frozen=True)
class LlmProposer:
    """Proposes what a model makes of the parents, in the form asked for.

    `clock` gives seconds; it bounds each proposal by `settings.deadline` and decides nothing else.
    """

    name: str
    model: Model
    form: Form
    settings: Propose
    rules: Rules
    models: Models
    prompts: Prompts
    lessons: Lessons
    clock: Callable[[], float]
    embedder: Embeddings | None = None

    async def propose(self, request: Request) -> Proposal:
        """One proposal. NoProposal with the outcome and the spend where the model gives none.

        A program that still fails its checks after the repair is proposed all the same: its verdict says so,
        and later prompts learn from it.
        """
        until = self.clock() + self.settings.deadline
        form: Form = "whole" if self.form == "crossover" and len(request.parents) < 2 else self.form
        shown = request.parents if form == "crossover" else request.parents[:1]
        rule = grammar(form, shown, self.rules) if self.model.grammar else ""
        learnt = await self.lessons.at(request.place.generation, until=until)
        room = self.model.context and max(0, self.model.context - self.model.max_tokens)
        messages: Sequence[Message] = self.prompts.messages(request, form, learnt, room)
        spend, fault = NOTHING, Fault(UNUSABLE, "")
        for turn in range(1 + self.settings.repair):
            ask = Ask(self.model.name, tuple(messages), f"{request.place}/{turn}", rule)
            answer = await self.models.ask(ask, until=until)
            spend += answer.spend
            if answer.outcome not in (Outcome.ANSWERED, Outcome.TRUNCATED):
                if fault.edited:
                    break
                raise NoProposal(answer.reason, str(answer.outcome), spend, self.name)
            found = await self._look(request, form, shown, answer)
            if isinstance(found, Edited):
                outcome = REPAIRED if turn else "proposed"
                return self._proposal(request.parents, found, spend, outcome)
            fault = found if found.edited or not fault.edited else fault
            if found.outcome == KNOWN:
                break
            messages = self.prompts.repair(messages, answer.text, found.problem)
        if fault.outcome == INVALID and fault.edited:
            return self._proposal(request.parents, fault.edited, spend, INVALID)
        raise NoProposal(fault.problem, fault.outcome, spend, self.name)

    async def _look(
        self, request: Request, form: Form, shown: Sequence[Parent], answer: Answer
    ) -> Edited | Fault:
        """The program in an answer, or what is wrong with it."""
        try:
            edited = read(form, answer.text, shown, self.rules)
        except Unusable as unusable:
            cut = answer.outcome is Outcome.TRUNCATED
            return Fault(UNUSABLE, f"{answer.reason} {unusable}".strip() if cut else str(unusable))
        if request.quota is not Quota.EXPLOIT and (near := await self._near(edited.source, request)):
            words = f"the program is nearly {near}, which exists; change the mechanism, not its numbers"
            return Fault(NEAR, words, edited)
        found = await request.trial(edited.source)
        if found.found == "new":
            return edited
        return Fault(INVALID if found.found == "invalid" else KNOWN, found.reason, edited)

    async def _near(self, source: str, request: Request) -> str:
        """The id of the island's program that the source is too near to in structure or meaning, or ""."""
        apart, neighbour = nearest(source, request.population)
        if 0 < apart < self.settings.novelty:
            return neighbour
        if self.embedder is None or not apart:
            return ""
        texts = (source, *(one.source for one in request.population))
        own, *others = await asyncio.gather(*(self.embedder.embed(text) for text in texts))
        if own is None:
            return ""
        known = {one.program_id: vector for one, vector in zip(request.population, others, strict=True)
                 if vector is not None}  # fmt: skip
        similarity, name = most_similar(own, known)
        return name if similarity >= self.settings.similarity else ""

    def _proposal(self, parents: Sequence[Parent], edited: Edited, spend: Spend, outcome: str) -> Proposal:
        ids = tuple(parents[index].program_id for index in edited.parents)
        return Proposal(edited.source, ids, self.name, edited.explanation, spend, outcome=outcome)
