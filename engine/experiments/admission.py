"""Admission: which elites enter experiments, cut down to the edits that do something, and validated."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...population.archive.views import ABLATION
from ...population.values.evaluation import Evaluation
from ...population.values.experiment import Experiment, Outcome, State
from ...population.values.member import Member
from ...population.values.program import Program
from ..loop.candidate import canonical
from ..loop.context import SearchContext
from ..north_star.ablation import ROUND, SAME_AS, Evidence, ablate, ancestor_of, of_rounds
from ..north_star.alignment import finished
from ..north_star.promotion import Standing, banned, drawn, elites, standings_on
from .changes import PendingChanges
from .rules import admitted


@dataclass(frozen=True)
class Entrant:
    """An elite that was chosen for a free slot, and what becomes its experiment.

    `evidence` is None where no edit was to be tried. `same_as` is a program in production, tried before
    or entering with it that the simplified one only repeats, "" where there is none.
    """

    elite: Member
    evidence: Evidence | None = None
    same_as: str = ""

    @property
    def simplified(self) -> Evaluation | None:
        """The elite without the edits that do nothing; None where it enters as it is, or not at all."""
        return self.evidence.simplified if self.evidence and not self.same_as else None

    @property
    def program_id(self) -> str:
        """The program that is tried."""
        return self.simplified.program.id if self.simplified else self.elite.program_id

    @property
    def source(self) -> str:
        """Its text."""
        return self.simplified.program.source if self.simplified else self.elite.source

    @property
    def reason(self) -> str:
        """Why it enters, for the experiment's first step."""
        why = "an elite of the islands: proxy bound, and a cell of its own where one was free"
        return f"{why}; {self.elite.program_id} without what does nothing" if self.simplified else why

    def note(self, generation: int) -> dict[str, Any]:
        """What the archive keeps of its ablation."""
        assert self.evidence is not None
        if self.same_as:
            return self.evidence.untouched().to_json() | {ROUND: generation, SAME_AS: self.same_as}
        return self.evidence.to_json() | {ROUND: generation}


@dataclass(frozen=True)
class Admission:
    """Who asked in a round: the standings of all that were measured, and who was chosen for a slot."""

    standings: tuple[Standing, ...]
    entrants: tuple[Entrant, ...]

    @property
    def ablations(self) -> dict[str, Evaluation]:
        """The evaluations of simplified programs, which the archive does not hold yet, by the elite."""
        return {one.elite.program_id: one.simplified for one in self.entrants if one.simplified}

    @property
    def sources(self) -> dict[str, str]:
        """The texts of the entrants, by program."""
        return {one.program_id: one.source for one in self.entrants if not one.same_as}

    def notes(self, generation: int) -> dict[str, Mapping[str, Any]]:
        """Conclusions by name: the cause of the gain of each entrant."""
        known = (one for one in self.entrants if one.evidence and one.evidence.edits)
        return {ABLATION + one.elite.program_id: one.note(generation) for one in known}


async def admit(
    search: SearchContext, pending: PendingChanges, trial: tuple[int, int], generation: int
) -> Admission:
    """Gives free slots to newcomers, simplified; `trial` is (folds, of how many) on which they are validated.

    The standings are those of all who entered, production's first where it is new, and those of
    `north_star.audits` elites that chance drew, which are measured and do not enter.
    """
    elite = newcomers(search, pending, generation)
    undecided = [one for one in pending.experiments.values() if one.undecided]
    cells = [search.archive.evaluations_of(one.program_id)[0].cell for one in undecided]
    slots, audits = search.config.north_star.slots, search.config.north_star.audits
    places = max(0, slots - len(undecided))
    chosen = admitted(elite, cells, places)
    entrants = await _simplified(search, pending, chosen, generation)
    runners = {one.program_id: one.source for one in entrants if not one.same_as}
    seen = {one.program_id for one in search.archive.promotions()}
    if search.seeds[0].id not in seen:
        runners = {search.seeds[0].id: search.seeds[0].source, **runners}
    asked = {one.program_id for one in chosen}
    below = [one for one, _ in elite if one.program_id not in {*asked, *runners, *seen}]
    lot = drawn(search, below, generation, audits)
    standings = await standings_on(search, runners | lot, lot, *trial)
    return Admission(tuple(standings), entrants)


def propose(
    search: SearchContext, pending: PendingChanges, admission: Admission, generation: int, *, begins: bool
) -> None:
    """Makes experiments of those that were admitted. `begins`: they are live at once."""
    standings = {one.program_id: one for one in admission.standings}
    for one in admission.entrants:
        if one.same_as:
            continue
        number = len(pending.experiments)
        name = f"{number}-{one.program_id[:8]}"
        backend = search.config.online.backend
        pending.propose(Experiment(name, one.program_id, backend, generation, number), one.reason)
        _validate(pending, name, standings[one.program_id], begins=begins)


def _validate(pending: PendingChanges, name: str, standing: Standing, *, begins: bool) -> None:
    """Carries a proposal as far as it goes before it has readings."""
    if not standing.eligible:
        failed = [one.reason for one in standing.folds if not one.score]
        pending.step(name, State.DECIDED, "; ".join((*failed, *standing.broken)), Outcome.INVALID)
        return
    pending.step(name, State.VALIDATED, f"scored on {len(standing.folds)} folds, guardrails of the kind hold")
    pending.step(name, State.TRAINING, "waits for its first readings")
    if begins:
        pending.go_live(name, "its first folds are here")


async def _simplified(
    search: SearchContext, pending: PendingChanges, chosen: Sequence[Member], generation: int
) -> tuple[Entrant, ...]:
    """The chosen without the edits that do nothing. None is tried that only repeats another."""

    async def cause(one: Member) -> Evidence | None:
        if not search.config.north_star.ablations:
            return None
        program = Program(search.task.kind, one.source)
        return await ablate(search, program, ancestor_of(search, one.program_id), generation)

    evidence = await asyncio.gather(*map(cause, chosen))
    tried = [one.program_id for one in pending.experiments.values()]
    known = _traces(search, [search.seeds[0].id, *of_rounds(search.archive), *tried])
    entrants = []
    for one, found in zip(chosen, evidence, strict=True):
        entrant = Entrant(one, found)
        behaviour = entrant.simplified.behaviour if entrant.simplified else one.behaviour
        traces = [canonical(entrant.source)[1], *([behaviour] if behaviour else [])]
        same = next((known[trace] for trace in traces if trace in known), "") if found else ""
        entrants.append(replace(entrant, same_as=same))
        known |= dict.fromkeys(traces, entrant.program_id)
    return tuple(entrants)


def _traces(search: SearchContext, programs: Iterable[str]) -> dict[str, str]:
    """The programs by what tells that another is the same: the hash of its tree, and its behaviour."""
    found = {}
    for name in programs:
        for born in search.archive.evaluations_of(name):
            found[born.syntax_hash] = name
            if born.behaviour:
                found[born.behaviour] = name
    return found


def newcomers(search: SearchContext, pending: PendingChanges, generation: int) -> list[tuple[Member, float]]:
    """The elites that were not tried yet, behave as none that was, and cheated nowhere; each with the proxy
    score that it may have, `online.bound` standard errors above what was measured.

    An elite counts as tried if an earlier round tried it without its idle edits, or found that it repeats
    another program.
    """
    known = {one.program_id for one in pending.experiments.values()} | {search.seeds[0].id}
    known |= banned(search.archive, generation) | of_rounds(search.archive).keys()
    traces = _traces(search, known)
    found = []
    for one in elites(search, generation):
        if one.program_id not in known and one.behaviour not in traces:
            born = finished(search.archive, one.program_id, search.last_stage)
            score = born.verdict.score if born else None
            spread = score.spread if score and score.spread else 0.0
            found.append((one, one.score + search.config.online.bound * spread))
    return found
