"""How many distinct bytes all programs of a launch touch, told from the few that were interpreted.

The rule is capture and recapture. Let `each` be the distinct bytes that one program touches of a buffer, on
average, and `union` what `programs` of them touch together. Programs that draw at random from a region of R
bytes would touch

    R (1 - (1 - each / R) ^ programs)

together; R is solved for, and the same formula with the number of programs of the whole grid gives the bytes
of the launch, never more than the buffer has. So tiles that never meet count for every program (R is without
end), weights that all programs read count once (R is `each`), and popular embedding rows count in between.
With all programs interpreted the answer is `union` itself.
"""

import math
from dataclasses import dataclass

_STEPS = 200
_WIDEST = 1e9


@dataclass(frozen=True)
class Footprint:
    """What interpreted programs touched of one buffer, in bytes of whole sectors."""

    storage: int
    size: float
    """Bytes of the buffer, which nothing can exceed."""
    each: float
    union: float
    programs: int
    stored: bool
    """Whether it is written; else it is read."""

    def of(self, programs: int) -> float:
        """Distinct bytes that this many programs touch, by the rule above."""
        if programs <= 0 or self.each <= 0:
            return 0.0
        if programs == self.programs:
            return self.union
        return min(self.size, met(region(self.each, self.union, self.programs), self.each, programs))


def met(within: float, each: float, programs: int) -> float:
    """Distinct bytes that `programs` draws of `each` bytes touch in a region of `within` bytes."""
    if math.isinf(within):
        return each * programs
    if each >= within:
        return within
    return -within * math.expm1(programs * math.log1p(-each / within))


def region(each: float, union: float, programs: int) -> float:
    """Bytes of the region in which `programs` draws of `each` bytes touch `union` in all; inf where none
    met."""
    if programs == 1 or union >= each * programs:
        return math.inf
    low, high = each, each * _WIDEST
    if union <= each:
        return each
    if met(high, each, programs) < union:
        return math.inf
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        if not low < middle < high:
            break
        low, high = (low, middle) if met(middle, each, programs) > union else (middle, high)
    return high
