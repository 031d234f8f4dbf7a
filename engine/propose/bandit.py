"""Bandit: which arm of a mixture earns most per dollar, from what its candidates earned on one island so far.

Discounted Thompson sampling. Each arm's credit per pull, in [0, 1], has a Beta posterior (fractions of a
success count as such; Agrawal and Goyal 2012, https://arxiv.org/abs/1111.1797, toss a coin for them). Old
pulls fade, because gains get rarer as a search goes on and arms take turns (Raj and Kalyani 2017,
https://arxiv.org/abs/1707.09727). Draws are divided by the arm's mean cost (Xia et al. 2015, "Thompson
sampling for budgeted multi-armed bandits", IJCAI). Priors are the island's pooled means, so that an arm
without a record starts as an average one. A generation's slots are dealt from the probabilities that come
out, not drawn one by one, so that no arm is favoured by luck; a floor keeps every arm's record alive.

Chosen over UCB because candidates are judged a whole generation at a time: an index would send every slot of
a generation to one arm (Chapelle and Li 2011, "An empirical evaluation of Thompson sampling", section 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

State: TypeAlias = Mapping[str, Mapping[str, float]]
"""Arm to the fields of its Record: plain JSON."""

MEMORY = 0.995
"""What a pull counts after each later evaluation on the island: about 200 evaluations are remembered."""
STRENGTH = 4.0
"""How many average pulls an arm's prior counts."""
FIRST_CREDIT = 0.02
"""The mean credit taken for granted before anything was earned."""
FLOOR = 0.05
PROBE = 0.01
"""The share of an arm that was not to be had AWAY times in a row."""
AWAY = 3
DRAWS = 1024
DIGITS = 12
FORGOTTEN = 1e-6


@dataclass(frozen=True, slots=True)
class Pull:
    """One evaluation as an arm's doing.

    `absent` where the arm was not to be had: only its cost counts. `lent` where another arm went on from
    something that this one had made: only its credit counts.
    """

    arm: str
    credit: float
    cost: float
    absent: bool = False
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What an arm did. `pulls` counts; `weight`, `credit` and `cost` (dollars) are sums in which pulls fade.

    `away` counts the pulls since the arm was last to be had.
    """

    pulls: int = 0
    weight: float = 0.0
    credit: float = 0.0
    cost: float = 0.0
    away: int = 0

    def faded(self, evaluations: int) -> "Record":
        """The record after so many evaluations."""
        rest = MEMORY**evaluations
        return Record(self.pulls, self.weight * rest, self.credit * rest, self.cost * rest, self.away)

    def pulled(self, pull: Pull) -> "Record":
        """The record with one more pull."""
        if pull.absent:
            return replace(self, cost=self.cost + pull.cost, away=self.away + 1)
        if pull.lent:
            return replace(self, credit=self.credit + pull.credit)
        return Record(self.pulls + 1, self.weight + 1, self.credit + pull.credit, self.cost + pull.cost)


@dataclass(frozen=True, slots=True)
class Belief:
    """What a bandit believes of an arm: mean credit and mean cost (dollars) of a pull, and its next share."""

    arm: str
    pulls: int
    credit: float
    cost: float
    share: float


def after(state: State, pulls: Sequence[Pull], evaluations: int) -> dict[str, dict[str, Any]]:
    """The state after a generation of so many evaluations; arms that were long not pulled are forgotten."""
    records = {arm: record.faded(evaluations) for arm, record in _read(state).items()}
    for pull in pulls:
        records[pull.arm] = records.get(pull.arm, Record()).pulled(pull)
    return {
        arm: {name: round(value, DIGITS) for name, value in asdict(record).items()}
        for arm, record in sorted(records.items())
        if max(record.weight, record.credit, record.cost) > FORGOTTEN or record.away
    }


def believed(
    state: State,
    arms: Sequence[str],
    first_cost: float,
    rng: np.random.Generator,
    ceilings: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Belief, ...]:
    """A belief about each arm, in the order given; shares sum to 1. A function of the arguments alone.

    An arm gets at most its ceiling, if it has one; what is over goes to those without.
    """
    known = _read(state)
    records = [known.get(arm, Record()) for arm in arms]
    everyone = list(known.values())
    weight = sum(record.weight for record in everyone)
    mean = (sum(record.credit for record in everyone) + STRENGTH * FIRST_CREDIT) / (weight + STRENGTH)
    price = (sum(record.cost for record in everyone) + STRENGTH * first_cost) / (weight + STRENGTH)
    gains = np.array([record.credit + STRENGTH * mean for record in records])
    tries = np.array([record.weight + STRENGTH for record in records])
    costs = np.array([record.cost + STRENGTH * price for record in records]) / tries
    shares = _shares(gains, tries, costs, [record.away >= AWAY for record in records], rng)
    shares = _held(shares, [ceilings.get(arm) for arm in arms])
    return tuple(
        Belief(arm, record.pulls, float(gain / count), float(cost), share)
        for arm, record, gain, count, cost, share in zip(
            arms, records, gains, tries, costs, shares, strict=True
        )
    )


def _shares(
    gains: np.ndarray, tries: np.ndarray, costs: np.ndarray, away: Sequence[bool], rng: np.random.Generator
) -> list[float]:
    """How often each arm has the best draw of credit per dollar, after floors and probes."""
    count = len(gains)
    absent = np.array(away)
    if absent.all():
        return [1 / count] * count
    drawn = rng.beta(gains, np.maximum(tries - gains, FIRST_CREDIT), size=(DRAWS, count)) / costs
    drawn[:, absent] = -1.0
    best = np.bincount(drawn.argmax(axis=1), minlength=count) / DRAWS
    least = np.where(absent, PROBE, FLOOR) * min(1.0, 0.5 / (count * FLOOR))
    shares: list[float] = (least + (1 - least.sum()) * best).tolist()
    return shares


def _held(shares: list[float], ceilings: Sequence[float | None]) -> list[float]:
    """The shares with their ceilings kept, as far as there are arms without one to take what is over."""
    free = sum(share for share, most in zip(shares, ceilings, strict=True) if most is None)
    if not free:
        return shares
    pairs = list(zip(shares, ceilings, strict=True))
    over = sum(max(0.0, share - most) for share, most in pairs if most is not None)
    return [share * (1 + over / free) if most is None else min(share, most) for share, most in pairs]


def _read(state: State) -> dict[str, Record]:
    return {arm: Record(**fields) for arm, fields in state.items()}  # type: ignore[arg-type]
