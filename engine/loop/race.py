"""Race: properties in the sandbox, then rungs of growing cost that keep a share of the field."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ...evaluators.statistics import survivors
from ...population.values.member import Member
from ...population.values.verdict import Status, Verdict
from .candidate import Candidate, Fate, Twin, as_before, as_resident, canonical
from .context import SearchContext
from .executor import Call, Stage

TRIES = 3

Rescore = Callable[[Verdict], Verdict]
"""A verdict of the last rung -> the verdict that counts."""


def as_judged(verdict: Verdict) -> Verdict:
    """The verdict as it is."""
    return verdict


async def judge(
    search: SearchContext, stage: Stage, source: str, number: int = 0, split: str = "", of: int = 1
) -> Verdict:
    """The recorded verdict on a source that passed the static check, computed where there is none.

    The key is the canonical text, not the program: equal trees are judged once. A verdict that
    infrastructure spoiled is asked for again, TRIES times in all.
    """
    text, syntax, _ = canonical(source)
    key: dict[str, Any] = {
        "stage": stage,
        "kind": search.task.kind,
        "program": syntax,
        "number": number,
        "split": split,
        "of": of,
        "judge": search.terms.fingerprint,
    }

    async def compute() -> dict[str, Any]:
        assert search.executor is not None
        for _ in range(TRIES):
            verdict = await search.executor.judge(Call(stage, text, number, split, of))
            if verdict.status is not Status.INFRASTRUCTURE:
                break
        return verdict.to_json()

    return Verdict.from_json(await search.ledger.recall_or(key, compute))


async def examine(
    search: SearchContext,
    candidates: Sequence[Candidate],
    island: int,
    number: int,
    population: Sequence[Member],
) -> tuple[list[Fate], list[Fate], list[Twin]]:
    """(candidates whose properties hold, fates of the others, twins within this generation).

    A candidate that behaves as an earlier one of the island on the probe inputs is a presumed duplicate: it
    takes its twin's verdict and is not evaluated here.
    """
    verdicts = await asyncio.gather(*(judge(search, "examine", one.program.source) for one in candidates))
    residents = {one.behaviour: one for one in population}
    first: dict[str, int] = {}
    fresh: list[Fate] = []
    rejected: list[Fate] = []
    twins: list[Twin] = []
    for born, verdict in sorted(zip(candidates, verdicts, strict=True), key=lambda pair: pair[0].slot):
        if not verdict.score:
            rejected.append(Fate(born, verdict, "properties"))
            continue
        behaviour = str(verdict.facts["behaviour"])
        if resident := residents.get(behaviour):
            rejected.append(as_resident(born, resident))
        elif before := search.archive.duplicate_by_behaviour(island, behaviour, number):
            rejected.append(as_before(born, before))
        elif behaviour in first:
            twins.append(Twin(born, behaviour, first[behaviour]))
        else:
            first[behaviour] = born.slot
            fresh.append(Fate(born, verdict, "properties", behaviour))
    return fresh, rejected, twins


async def race(
    search: SearchContext,
    fates: Sequence[Fate],
    population: Sequence[Member],
    *,
    everyone: bool = False,
    rescore: Rescore = as_judged,
) -> list[Fate]:
    """The fates after the race. A rung's field is the island and its newcomers; a share of it goes on.

    Incumbents ran every rung when they were young, so their scores come from the ledger and a newcomer
    must be among the best of both. With `everyone` nobody is culled before the last rung, whose verdicts
    count as `rescore` gives them.
    """
    rungs = min(search.config.proxy.rungs, search.terms.rungs)
    running = list(fates)
    ended: list[Fate] = []
    for rung in range(rungs):
        scores = await asyncio.gather(
            *(judge(search, "proxy", fate.candidate.program.source, rung) for fate in running)
        )
        last = rung == rungs - 1
        running = [
            replace(
                fate,
                verdict=rescore(verdict) if last else verdict,
                stage=f"proxy {rung}",
                finished=last,
            )
            for fate, verdict in zip(running, scores, strict=True)
        ]
        ended += [replace(fate, finished=False) for fate in running if not fate.verdict.score]
        running = [fate for fate in running if fate.verdict.score]
        if not last and not everyone:
            ahead = await _ahead(search, running, population, rung)
            ended += [fate for fate in running if fate.candidate.program.id not in ahead]
            running = [fate for fate in running if fate.candidate.program.id in ahead]
    return ended + running


async def _ahead(
    search: SearchContext, running: Sequence[Fate], population: Sequence[Member], rung: int
) -> set[str]:
    """The programs of the field that go on to the next rung."""
    incumbents = await asyncio.gather(*(judge(search, "proxy", one.source, rung) for one in population))
    field = {
        one.program_id: verdict.score.value
        for one, verdict in zip(population, incumbents, strict=True)
        if verdict.score
    }
    field |= {fate.candidate.program.id: fate.verdict.score.value for fate in running if fate.verdict.score}
    return set(survivors(field, search.config.proxy.keep, search.config.proxy.floor))
