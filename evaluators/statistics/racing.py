"""Which of many arms is best, with a fixed number of measurements to spend: where to spend them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import Floats, finite_row
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


def uniform(arms: Sequence[str], measure: Measure, budget: int) -> Race:
    """The arm with the highest mean after as many units for each: what races are compared with.

    At most `budget` measurements; `measure(arm, units)` as in `halving`. No arm, two of one name, or less
    budget than arms: ValueError.
    """
    _check(arms, budget, 1)
    units = range(budget // len(arms))
    moments = {arm: _measured(measure, arm, units) for arm in arms}
    return Race(_leaders(moments, list(arms), 1)[0], moments)


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


def ocba(arms: Sequence[str], measure: Measure, budget: int, start: int = 10, steps: int = 50) -> Race:
    """The arm with the highest mean when units went where they tell the best from its rivals.

    Optimal computing budget allocation: Chen, Lin, Yucesan and Chick 2000,
    https://doi.org/10.1023/A:1008349927281, theorem 1: rivals get units in proportion to (noise / gap to the
    best)^2, the best its noise times the root of the sum of (units / noise)^2 over rivals. `start` units
    each, then the rest of the `budget` in `steps` parts. A gap is taken to be no smaller than its standard
    error, or a tie would take all. `measure(arm, units)` as in `halving`; arms take units from 0 on, but not
    equally many, so the rule does not profit from pairs. No arm, two of one name, start below 2, no step, or
    a budget below start units for each: ValueError.
    """
    if start < 2 or steps < 1:
        raise ValueError(f"start must be 2 or more and steps 1 or more, got {start} and {steps}")
    _check(arms, budget, start)
    moments = {arm: _measured(measure, arm, range(start)) for arm in arms}
    size = max((budget - start * len(arms)) // steps, 1)
    while (rest := budget - sum(each.count for each in moments.values())) > 0:
        shares = _shares([moments[arm] for arm in arms], min(size, rest))
        for arm, more in zip(arms, shares, strict=True):
            if more:
                done = moments[arm].count
                moments[arm] += _measured(measure, arm, range(done, done + int(more)))
    return Race(_leaders(moments, list(arms), 1)[0], moments)


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


def _shares(moments: Sequence[Moments], more: int) -> NDArray[np.int64]:
    """How `more` units are shared out, so that all units together come nearest to the optimum."""
    counts = np.array([each.count for each in moments], dtype=np.float64)
    means = np.array([each.mean for each in moments])
    # An arm whose values are all equal has told little about its noise; it is not left out for that.
    noise = np.array([each.variance for each in moments])
    noise = np.maximum(noise, 1e-3 * noise.max())
    if len(moments) == 1 or noise.max() == 0:
        return _whole(np.ones(len(moments)), more)
    best = int(means.argmax())
    gaps = np.maximum((means[best] - means) ** 2, noise / counts + noise[best] / counts[best])
    ratios = noise / gaps
    ratios[best] = 0.0
    ratios[best] = np.sqrt(noise[best] * (ratios**2 / noise).sum())
    lack = np.maximum(ratios / ratios.sum() * (counts.sum() + more) - counts, 0.0)
    return _whole(lack, more)


def _whole(weights: Floats, total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to weights, `total` together; the largest remainders get what is left."""
    exact = weights / weights.sum() * total
    shares = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - shares), kind="stable")
    shares[order[: total - int(shares.sum())]] += 1
    return np.asarray(shares, dtype=np.int64)


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
