"""Requests: what is asked for each slot of a generation, and the program that is proposed for it."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from numpy.random import Generator

from ...population.island.island import select
from ...population.island.randomness import generator
from ...population.values.member import Member
from ...population.values.origin import Origin
from ...population.values.program import Program
from .context import SearchContext
from .proposer import NoProposal, Parent, Place, Proposal, Quota, Request
from .screen import trial

PARENTS = 2


async def propose(
    search: SearchContext, island: int, number: int, population: Sequence[Member], *, bold: bool = False
) -> list[tuple[Place, Program, Origin]]:
    """One program for each slot of the generation; which one depends on seed, place and population alone.

    A `bold` generation explores more and goes further from its parents.
    """
    quotas = search.config.propose.quotas
    shares = {Quota(name): share for name, share in quotas.model_dump().items()}
    if bold:
        shares[Quota.EXPLORE] += shares[Quota.EXPLOIT]
        shares[Quota.EXPLOIT] = 0.0
    slots = search.config.population.births
    cards = dealt(shares, slots, generator(search.config.seed, "quotas", island, number))

    async def one(slot: int) -> tuple[Place, Program, Origin]:
        rng = generator(search.config.seed, "propose", island, number, slot)
        chosen = select(population, rng, PARENTS)
        place = Place(island, number, slot)
        request = Request(
            place,
            tuple(Parent(each.program_id, each.source, each.score) for each in chosen),
            rng,
            tuple(population),
            cards[slot],
            bold,
            partial(trial, search, place, population),
        )
        try:
            made = await search.proposer.propose(request)
        except NoProposal as none:
            # the parent once more: a duplicate, which costs nothing and says why
            made = Proposal(chosen[0].source, (chosen[0].program_id,), "nobody", str(none))
            origin = Origin(none.proposer, request.quota, none.outcome, spend=none.spend)
        else:
            stand_in = made.made_by if made.instead_of else ""
            proposer = made.instead_of or made.made_by
            origin = Origin(proposer, request.quota, made.outcome, stand_in, made.spend)
        program = Program(search.task.kind, made.source, tuple(made.parents), made.made_by, made.explanation)
        return place, program, origin

    return list(await asyncio.gather(*(one(slot) for slot in range(slots))))


def dealt(shares: Mapping[Quota, float], slots: int, rng: Generator) -> list[Quota]:
    """A quota for each slot in random order: each gets its share of them, remainders are drawn."""
    names, total = list(shares), sum(shares.values())
    exact = [shares[name] / total * slots for name in names]
    counts = [int(share) for share in exact]
    rest = [share - count for share, count in zip(exact, counts, strict=True)]
    if missing := slots - sum(counts):
        weights = [share / sum(rest) for share in rest]
        for place in rng.choice(len(names), missing, p=weights):
            counts[int(place)] += 1
    cards = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    return [cards[int(place)] for place in rng.permutation(slots)]
