"""One generation of one island; a function of config, seed and recorded calls."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

from ...evaluators.language.literals import normal, outline
from ...population.island.island import cull
from ...population.values.evaluation import Evaluation
from ...population.values.member import Member, ranked
from .candidate import member
from .context import SearchContext
from .proposer import Learning
from .race import Rescore, as_judged, race
from .requests import propose
from .screen import screen
from .seeds import seeds_of
from .stagnation import Progression, progressed


@dataclass(frozen=True)
class Generation:
    """What one generation gave: every candidate's evaluation, and the next population."""

    evaluations: tuple[Evaluation, ...]
    population: tuple[Member, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the next generation wants to know: how the island gets on, what its proposers earned."""


async def generation(
    search: SearchContext,
    island: int,
    number: int,
    population: tuple[Member, ...],
    progression: Progression | None = None,
    rescore: Rescore = as_judged,
) -> Generation:
    """One generation: propose, check, deduplicate, race, cull. Generation 0 judges the seeds, all of them.

    `rescore` gives the verdict that counts from the one of the last rung.
    """
    if number:
        bold = bool(progression and progression.explores(number, search.config.population.patience))
        programs = await propose(search, island, number, population, bold=bold)
    else:
        programs = seeds_of(search, island)
    screened = await screen(search, programs, population)
    raced = await race(search, screened.fresh, population, everyone=number == 0, rescore=rescore)
    made = {one.slot: one for one in (*screened.ended, *raced)}
    made |= {one.place.slot: one.equals(made[slot]) for one, slot in screened.repeats}
    evaluations = tuple(made[slot] for slot in sorted(made))
    evaluations, earned = credited(search, island, number, population, evaluations)
    newcomers = [member(one) for one in evaluations if one.stage == search.last_stage and one.verdict.score]
    kept = cull(of_each_skeleton((*population, *newcomers)), search.config.population.size)
    after = progressed(progression, number, population, evaluations)
    return Generation(evaluations, kept, {**earned, **({"progression": asdict(after)} if after else {})})


def credited(
    search: SearchContext,
    island: int,
    number: int,
    population: tuple[Member, ...],
    evaluations: tuple[Evaluation, ...],
) -> tuple[tuple[Evaluation, ...], dict[str, Any]]:
    """(the evaluations with their credit, what the mixture has learnt) where a mixture proposed them."""
    mixture = search.proposer
    if not (number and isinstance(mixture, Learning)):
        return evaluations, {}
    valued = tuple(
        replace(one, origin=replace(one.origin, credit=mixture.credit(one, population)))
        for one in evaluations
    )
    before = mixture.state(island, number - 1)
    return valued, {"mixture": mixture.learn(before, valued, population)}


@lru_cache(maxsize=4096)
def skeleton(source: str) -> str:
    """The program without its numbers, as a hash."""
    return outline(normal(source))[0]


def of_each_skeleton(members: Iterable[Member]) -> tuple[Member, ...]:
    """The best member of each skeleton, best first.

    A tuner writes siblings by the dozen; without this they would crowd other skeletons out.
    """
    best: dict[str, Member] = {}
    for one in ranked(tuple(members)):
        best.setdefault(skeleton(one.source), one)
    return tuple(best.values())
