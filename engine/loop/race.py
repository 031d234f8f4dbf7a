"""Race: rungs of growing cost, each of which keeps a share of the field."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...evaluators.statistics import survivors
from ...population.values.evaluation import Evaluation, Stage
from ...population.values.member import Member
from ...population.values.verdict import Verdict
from .context import SearchContext
from .evaluate import judge

Rescore = Callable[[Verdict], Verdict]
"""A verdict of the last rung -> the verdict that counts."""


def as_judged(verdict: Verdict) -> Verdict:
    """The verdict as it is."""
    return verdict


async def race(
    search: SearchContext,
    fresh: Sequence[Evaluation],
    population: Sequence[Member],
    *,
    everyone: bool = False,
    rescore: Rescore = as_judged,
) -> list[Evaluation]:
    """The evaluations after the race. A rung's field is the island and its newcomers; a share of it goes on.

    Incumbents ran every rung when they were young, so their scores come from the ledger and a newcomer
    must be among the best of both. With `everyone` nobody is culled before the last rung, whose verdicts
    count as `rescore` gives them.
    """
    running = list(fresh)
    ended: list[Evaluation] = []
    for rung in range(search.rungs):
        last = rung == search.rungs - 1
        calls = (judge(search, Stage.PROXY, one.program.source, rung) for one in running)
        ran = [
            replace(one, verdict=rescore(verdict) if last else verdict, stage=Stage.PROXY.rung(rung))
            for one, verdict in zip(running, await asyncio.gather(*calls), strict=True)
        ]
        running = [one for one in ran if one.verdict.score]
        if not last and not everyone:
            ahead = await _ahead(search, running, population, rung)
            running = [one for one in running if one.program.id in ahead]
        slots = {one.slot for one in running}
        ended += [one for one in ran if one.slot not in slots]
    return ended + running


async def _ahead(
    search: SearchContext, running: Sequence[Evaluation], population: Sequence[Member], rung: int
) -> set[str]:
    """The programs of the field that go on to the next rung."""
    incumbents = await asyncio.gather(*(judge(search, Stage.PROXY, one.source, rung) for one in population))
    field = {
        one.program_id: verdict.score.value
        for one, verdict in zip(population, incumbents, strict=True)
        if verdict.score
    }
    field |= {one.program.id: one.verdict.score.value for one in running if one.verdict.score}
    return set(survivors(field, search.config.proxy.keep, search.config.proxy.floor))
