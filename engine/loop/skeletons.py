"""Skeletons: what programs that differ in numbers alone share; an island keeps the best of each."""

from collections.abc import Iterable
from functools import lru_cache

from ...evaluators.language.literals import normal, outline
from ...population.values.member import Member, ranked


@lru_cache(maxsize=4096)
def skeleton(source: str) -> str:
    """The program without its numbers, as a hash."""
    return outline(normal(source))[0]


def of_each_skeleton(members: Iterable[Member]) -> tuple[Member, ...]:
    """The best member of each skeleton, best first.

    A tuner writes siblings by the dozen; without this they would crowd other skeletons out.
    """
    best: dict[str, Member] = {}
    for member in ranked(tuple(members)):
        best.setdefault(skeleton(member.source), member)
    return tuple(best.values())
