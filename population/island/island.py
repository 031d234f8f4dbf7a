"""Island: selection, culling and migration, as pure functions on values."""

from bisect import bisect
from collections.abc import Iterable
from itertools import accumulate
from typing import Literal

from numpy.random import Generator

from ..values.member import Member, ranked
from .diversity import distinct, firsts, occupancy
from .randomness import generator

Topology = Literal["ring", "full", "random"]


def select(population: Iterable[Member], rng: Generator, k: int) -> tuple[Member, ...]:
    """`k` different parents, or all there are if fewer; the first was drawn first.

    Each draw takes, with equal odds, a member by rank (the power law 1/rank of ShinkaEvolve,
    https://arxiv.org/abs/2509.19349, section 3.1) or a member of a cell drawn uniformly (MAP-Elites,
    https://arxiv.org/abs/1504.04909): the good are bred often, the rare are never forgotten. The order of
    `population` does not matter. ValueError where there is nobody to choose.
    """
    left = list(ranked(tuple(population)))
    if not left:
        raise ValueError("cannot select parents from an empty population: seed the island first")
    chosen = []
    for _ in range(min(k, len(left))):
        chosen.append(left.pop(_draw(left, float(rng.random()))))
    return tuple(chosen)


def _draw(members: list[Member], uniform: float) -> int:
    """The index that `uniform` in [0, 1) falls on; `members` are ranked and not empty."""
    crowd = occupancy(members)
    harmonic = sum(1 / place for place in range(1, len(members) + 1))
    weights = accumulate(
        1 / (place * harmonic) + 1 / (len(crowd) * crowd[member.cell])
        for place, member in enumerate(members, start=1)
    )
    steps = list(weights)
    return min(bisect(steps, uniform * steps[-1]), len(members) - 1)


def cull(members: Iterable[Member], size: int) -> tuple[Member, ...]:
    """The next population, best first: at most `size` members, each behaviour once (see `distinct`).

    Half of the places, rounded up, go by score; the rest to the best of each cell not yet present, then by
    score again. The order of `members` does not matter, and some members always leave some. ValueError if
    `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"an island needs at least 1 place, got {size}")
    field = ranked(distinct(members))
    best, others = field[: (size + 1) // 2], field[(size + 1) // 2 :]
    different = firsts(others, (member.cell for member in best), size - len(best))
    kept = {*best, *different}
    filling = [member for member in others if member not in kept][: size - len(kept)]
    return ranked((*best, *different, *filling))


def migrate(own: Iterable[Member], arrivals: Iterable[Member], size: int) -> tuple[Member, ...]:
    """The island after migration, culled to `size`: at most a quarter of its places, at least one, are new.

    Newcomers are the best arrivals whose behaviour the island does not have. They compete by the same rule as
    everybody, so an island is neither replaced by its neighbours nor made to keep what is worse.
    """
    residents = tuple(own)
    known = {member.behaviour for member in residents}
    strangers = ranked(distinct(member for member in arrivals if member.behaviour not in known))
    return cull((*residents, *strangers[: max(1, size // 4)]), size)


def neighbours(topology: Topology, island: int, islands: int, generation: int, seed: int) -> tuple[int, ...]:
    """The islands that `island` of `islands` receives from at this generation, in rising order; never itself.

    ring: the one before it. full: all others. random: one other, drawn anew each generation.
    """
    others = tuple(other for other in range(islands) if other != island)
    if topology == "full" or not others:
        return others
    if topology == "ring":
        return ((island - 1) % islands,)
    drawn = generator(seed, "neighbours", island, generation).random()
    return (others[int(drawn * len(others))],)
