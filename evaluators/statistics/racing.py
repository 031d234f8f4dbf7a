"""Which of many arms is best, with a fixed number of measurements to spend: where to spend them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .intervals import finite_row
from .moments import Moments

Measure = Callable[[str, range], ArrayLike]
"""Values of an arm on a range of units, one a unit, higher is better; unit k is the same for all arms."""


@dataclass(frozen=True, slots=True)
class Race:
    """What a race found: the `best` arm, and the `moments` of what was measured of each."""

    best: str
    moments: Mapping[str, Moments]

    @property
    def spent(self) -> int:
        """Measurements taken, of all arms together."""
        return sum(each.count for each in self.moments.values())


def halving(arms: Sequence[str], measure: Measure, budget: int, keep: float = 0.5) -> Race:
    """The arm that is left when in each round the better share `keep` of the field goes on.

    Every round gets the same part of the `budget`, shared evenly among those still in it, so that the good
    ones are measured longest; means are over all that was measured so far. Sequential halving: Karnin, Koren
    and Somekh 2013, https://proceedings.mlr.press/v28/karnin13.html. `measure(arm, units)` gives one value,
    higher is better, for each of a range of units. Survivors of a round have been measured on the same units,
    so where a unit is a user with random numbers of its own, arms are compared in pairs and what users differ
    in cancels. Equal means go by name. No arm, two of one name, a share outside (0, 1), or a budget that does
    not measure every arm once in the first round: ValueError.
    """
    if not 0 < keep < 1:
        raise ValueError(f"keep must lie between 0 and 1, got {keep}")
    fields = [len(arms)]
    while fields[-1] > 1:
        fields.append(min(fields[-1] - 1, int(np.ceil(keep * fields[-1] - 1e-9))))
    rounds = max(len(fields) - 1, 1)
    _check(arms, budget, rounds)
    moments = {arm: Moments(0, 0.0, 0.0) for arm in arms}
    left, done, spent = list(arms), 0, 0
    for k in range(rounds):
        # What rounding left over in earlier rounds is spent in later ones.
        each = (budget - spent) // (rounds - k) // len(left)
        units = range(done, done + each)
        for arm in left:
            moments[arm] += _measured(measure, arm, units)
        done, spent = done + each, spent + each * len(left)
        left = _leaders(moments, left, fields[k + 1] if k + 1 < len(fields) else 1)
    return Race(left[0], moments)


def survivors(scores: Mapping[str, float], keep: float, floor: int) -> list[str]:
    """The names that reach the next rung, best first: a share `keep`, rounded up, but at least `floor`.

    Higher scores are better, equal ones go by name. One rung of successive halving: Jamieson and Talwalkar
    2016, https://arxiv.org/abs/1502.07943. A share outside (0, 1], a negative floor or a score that is not
    finite: ValueError.
    """
    if not 0 < keep <= 1 or floor < 0:
        raise ValueError(f"keep must lie above 0 and up to 1, floor at 0 or above, got {keep} and {floor}")
    finite_row("scores", list(scores.values()))
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    # 0.07 * 100 is 7.000000000000001 in binary, which must not keep an eighth.
    return ranked[: max(int(np.ceil(keep * len(ranked) - 1e-9)), floor)]


def _measured(measure: Measure, arm: str, units: range) -> Moments:
    values = finite_row(f"what was measured of {arm}", measure(arm, units))
    if len(values) != len(units):
        raise ValueError(f"{arm} was to be measured on {len(units)} units, got {len(values)} values")
    return Moments.of(values)


def _leaders(moments: Mapping[str, Moments], field: list[str], count: int) -> list[str]:
    return sorted(field, key=lambda arm: (-moments[arm].mean, arm))[:count]


def _check(arms: Sequence[str], budget: int, least: int) -> None:
    if not arms or len(set(arms)) < len(arms):
        raise ValueError(f"a race needs arms of different names, got {list(arms)}")
    if budget < least * len(arms):
        raise ValueError(
            f"{len(arms)} arms need a budget of {least * len(arms)} measurements or more, got {budget}"
        )
