"""Structures: programs that differ in numbers alone, of which an island keeps the best one."""

from collections.abc import Iterable
from functools import lru_cache

from ...evaluators.language.literals import normal, outline
from ...population.values.member import Member, ranked


@lru_cache(maxsize=4096)
def structure(source: str) -> str:
    """The program without its numbers, as a hash."""
    return outline(normal(source))[0]


def of_each_structure(members: Iterable[Member]) -> tuple[Member, ...]:
    """The best member of each structure, best first.

    A tuner writes siblings by the dozen; without this they would crowd other structures out.
    """
    best: dict[str, Member] = {}
    for member in ranked(tuple(members)):
        best.setdefault(structure(member.source), member)
    return tuple(best.values())
