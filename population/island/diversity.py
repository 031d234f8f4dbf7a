"""Diversity: what counts as different, and how much of it an island holds."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..values.member import Member

Cell = tuple[str, ...]


def distinct(members: Iterable[Member]) -> tuple[Member, ...]:
    """Each behaviour once, smallest first; of equals the smaller program stays, then the lower id."""
    chosen: dict[str, Member] = {}
    for member in sorted(members, key=lambda one: (one.size, one.program_id, -one.score)):
        chosen.setdefault(member.behaviour, member)
    return tuple(chosen.values())


def firsts(ranked: Sequence[Member], covered: Iterable[Cell], places: int) -> tuple[Member, ...]:
    """At most `places` members, in the order given, each the first of a cell that is not yet covered."""
    seen = set(covered)
    found: list[Member] = []
    for member in ranked:
        if len(found) < places and member.cell not in seen:
            seen.add(member.cell)
            found.append(member)
    return tuple(found)


def occupancy(members: Iterable[Member]) -> Mapping[Cell, int]:
    """How many members each occupied cell holds."""
    return Counter(member.cell for member in members)


def entropy(members: Iterable[Member]) -> float:
    """Shannon entropy of the cells in bits: 0 when all share one cell, log2(n) when n members share none."""
    counts = sorted(occupancy(members).values())
    total = sum(counts)
    return sum(count / total * math.log2(total / count) for count in counts)


def statistics(members: Sequence[Member]) -> dict[str, float]:
    """What a report says of an island's variety: members, cells (occupied), behaviours, entropy_bits."""
    return {
        "members": len(members),
        "cells": len(occupancy(members)),
        "behaviours": len({member.behaviour for member in members}),
        "entropy_bits": round(entropy(members), 6),
    }
