"""Gains: how far a program is ahead of another under the north star, and what speaks against it."""

from collections.abc import Sequence

from ...evaluators.statistics import Interval, paired
from ...population.values.verdict import Verdict
from ..loop.context import SearchContext
from .promotion import Standing

CONFIDENCE = 0.95


def metrics_of(search: SearchContext, *standings: Standing) -> list[str]:
    """The kind's metrics that every fold of all of them has, in the order that reports show them."""
    folds = [verdict for one in standings for verdict in one.folds]
    return [name for name in search.task.metrics if all(name in verdict.metrics for verdict in folds)]


def gain(
    search: SearchContext, metric: str, one: Standing, other: Standing, confidence: float = CONFIDENCE
) -> Interval:
    """The gain over another, paired over the folds that both have; positive is better in either direction."""
    shared = min(len(one.folds), len(other.folds))
    pair = values(one.folds[:shared], metric), values(other.folds[:shared], metric)
    return paired(*(pair if search.task.metrics[metric] else pair[::-1]), confidence)


def sunk(
    search: SearchContext, one: Standing, production: Standing, confidence: float = CONFIDENCE
) -> list[str]:
    """A sentence for each floor metric that is worse than production's beyond noise."""
    sentences = []
    for name in metrics_of(search, one, production):
        found = gain(search, name, one, production, confidence)
        if name in search.task.floors and found.high < 0:
            sentences.append(f"{name} is worse than production's beyond noise: {found.estimate:+.4f}")
    return sentences


def values(verdicts: Sequence[Verdict], metric: str) -> list[float]:
    """The metric of each fold."""
    return [verdict.metrics[metric].value for verdict in verdicts]


def mean_fact(one: Standing, name: str) -> float | None:
    """The mean of a number that every fold's verdict holds as a fact; None where one has none."""
    found = [float(verdict.facts[name]) for verdict in one.folds if name in verdict.facts]
    return sum(found) / len(found) if found and len(found) == len(one.folds) else None
