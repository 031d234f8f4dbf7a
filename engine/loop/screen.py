"""Screen: what ends before a rung is paid for: a broken rule, a duplicate, a property that does not hold."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...population.values.evaluation import Evaluation, Stage
from ...population.values.member import Member
from ...population.values.origin import UNKNOWN, Origin
from ...population.values.program import Program
from ...population.values.verdict import Status, Verdict
from .candidate import Candidate, candidate, canonical, refused
from .context import SearchContext
from .evaluate import judge
from .proposer import Place, Trial


@dataclass(frozen=True)
class Screened:
    """A generation's candidates after screening, each in one of the three.

    `fresh` go on to the race. `ended` have their verdict. `repeats` behave as a fresh one of the same
    generation, named by its slot, and take its verdict once it has one.
    """

    fresh: tuple[Evaluation, ...]
    ended: tuple[Evaluation, ...]
    repeats: tuple[tuple[Candidate, int], ...]


async def screen(
    search: SearchContext,
    programs: Iterable[tuple[Place, Program, Origin]],
    population: Sequence[Member],
) -> Screened:
    """A generation after static rules, equal syntax trees, properties in the sandbox, equal behaviour.

    Equal trees within one generation both go on: they share every ledger key, so the second costs nothing. A
    candidate that behaves as an earlier one of the island on the probe inputs is a presumed duplicate: it
    takes that one's verdict and is not evaluated here.
    """
    trees, behaviours = residents(population), {one.behaviour: one for one in population}
    read = [_read(search, trees, *one) for one in programs]
    asked = sorted((one for one in read if isinstance(one, Candidate)), key=lambda one: one.place.slot)
    verdicts = await asyncio.gather(*(judge(search, Stage.PROPERTIES, one.program.source) for one in asked))
    ended = [one for one in read if isinstance(one, Evaluation)]
    fresh: dict[str, Evaluation] = {}
    repeats: list[tuple[Candidate, int]] = []
    for one, verdict in zip(asked, verdicts, strict=True):
        if not verdict.score:
            ended.append(one.judged(verdict, Stage.PROPERTIES))
            continue
        behaviour = str(verdict.facts["behaviour"])
        known = behaviours.get(behaviour) or search.archive.duplicate(
            one.place.island, "behaviour", behaviour, one.place.generation
        )
        if known:
            ended.append(one.equals(known))
        elif behaviour in fresh:
            repeats.append((one, fresh[behaviour].slot))
        else:
            fresh[behaviour] = one.judged(verdict, Stage.PROPERTIES, behaviour)
    return Screened(tuple(fresh.values()), tuple(ended), tuple(repeats))


async def trial(search: SearchContext, place: Place, population: Sequence[Member], source: str) -> Trial:
    """What screening would find in a source at that place, but for its behaviour; recorded like screening."""
    found = _read(search, residents(population), place, Program(search.task.kind, source))
    if isinstance(found, Candidate):
        verdict = await judge(search, Stage.PROPERTIES, source)
        return Trial("new") if verdict.score else Trial("invalid", verdict.reason)
    if found.stage == Stage.STATIC:
        return Trial("invalid", found.verdict.reason)
    if found.duplicate_of in {one.program_id for one in population}:
        return Trial("known", "a program of the island has the same syntax tree")
    return Trial("known", f"{found.duplicate_of} had the same syntax tree: {found.verdict.reason}")


def residents(population: Iterable[Member]) -> dict[str, Member]:
    """The members by their syntax hash."""
    return {canonical(one.source)[1]: one for one in population}


def _read(
    search: SearchContext,
    known: Mapping[str, Member],
    place: Place,
    program: Program,
    origin: Origin = UNKNOWN,
) -> Candidate | Evaluation:
    """The candidate, or its evaluation where the text alone ends it: by a broken rule, or an equal tree."""
    if reason := refused(program.source, search.task.rules):
        verdict = Verdict(Status.INVALID, reason=reason)
        return Candidate(place, program, program.id, origin=origin).judged(verdict, Stage.STATIC)
    one = candidate(search, place, program, origin)
    same = known.get(one.syntax_hash) or search.archive.duplicate(
        place.island, "syntax_hash", one.syntax_hash, place.generation
    )
    return one.equals(same) if same else one
