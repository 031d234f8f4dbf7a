"""Member: a scored program as an island sees it."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One place of an island. A NaN or infinite score is no score: ValueError.

    `score` is the proxy's, higher is better. `behaviour` is the fingerprint on probe inputs: equal behaviour
    is a presumed duplicate, so a kind without fingerprints gives the program's id. `cell` says in short words
    what makes the program a different one. `size` counts syntax nodes.
    """

    program_id: str
    source: str
    score: float
    behaviour: str
    cell: tuple[str, ...]
    size: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise ValueError(f"member {self.program_id} needs a finite score, got {self.score!r}")


def ranked(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """The members, best score first; equal scores in order of program id."""
    return tuple(sorted(members, key=lambda member: (-member.score, member.program_id)))
