"""Weights for the parts of an estimate, fitted from measured times, and how well they do on what they never
saw.

A point is one variant of a kernel: what the model said of it, and what a GPU said. Weights are a common scale
times a factor of at least one for each part: every part was a lower bound to begin with. They are only as
good as their worst family, so each family of kernels is also predicted by weights that were fitted without
it, and those errors travel with the weights wherever they are used.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..json_values import from_plain, to_plain
from .components import BUSY, PARTS, Parts

LEAST_POINTS = 30
LEAST_FAMILIES = 3
_STEPS, _RATE = 600, 0.05
_RIDGE = 1e-4
_WIDEST_SCALE, _WIDEST_FACTOR = math.log(8), math.log(16)
_TOP = 0.2


class TooFewPoints(ValueError):
    """Not enough was measured to fit weights; says how much is missing."""


@dataclass(frozen=True)
class Point:
    """One measured variant."""

    family: str
    """Kernels that fail alike: an operator, say. Held out as a whole."""
    task: str
    """Variants of one task do the same work on the same sizes; only they are ranked against each other."""
    parts: tuple[Parts, ...]
    """Of each launch, uncalibrated: `LaunchEstimate.parts`."""
    seconds: float
    """Measured, of the whole call."""


@dataclass(frozen=True)
class Variant:
    """What the model said of one entry of a gpu-queue, kept beside it until it is measured."""

    family: str
    task: str
    parts: Mapping[str, tuple[Parts, ...]]
    """By direction, of each launch."""


@dataclass(frozen=True)
class HeldOut:
    """How weights fitted without a family do on it."""

    family: str
    points: int
    correlation: float | None
    """Spearman's, mean over tasks of four variants or more; None without one, or where nothing varies."""
    correlation_before: float | None
    """The same without any calibration."""
    regret: float
    """How much slower the fastest among the best fifth by estimate is than the fastest of all, mean over
    tasks: 0.05 is 5 %."""
    error: float
    """Median of the relative error, either way: 0.1 is a tenth too long or too short."""


@dataclass(frozen=True)
class Calibration:
    """Weights with their origin. `weights` has a factor for every part."""

    device: str
    made: str
    """The day, as "2026-03-01"."""
    versions: Mapping[str, str]
    weights: Mapping[str, float]
    points: int
    held_out: tuple[HeldOut, ...]

    @property
    def error(self) -> float:
        """Median relative error on families that the weights had not seen, of the worst family."""
        return max(each.error for each in self.held_out)

    @property
    def trust(self) -> str:
        """One phrase to stand beside every number that these weights made."""
        known = [each.correlation for each in self.held_out if each.correlation is not None]
        ranks = f", rank correlation {min(known):.2f}" if known else ""
        return (
            f"calibrated {self.made} on {self.points} points of {self.device}; "
            f"worst unseen family: error {self.error:.0%}{ranks}"
        )

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(to_plain(self), indent=1) + "\n")


def load(path: Path) -> Calibration:
    """A calibration that was saved. ValueError where the file holds something else."""
    return from_plain(Calibration, json.loads(path.read_text()))


def calibrate(
    points: Sequence[Point], device: str, made: str, versions: Mapping[str, str], overlap: float
) -> Calibration:
    """Weights fitted to all points, validated on each family by weights that were fitted without it.

    `overlap` is the device's. Raises `TooFewPoints` below 30 points or three families.
    """
    families = sorted({point.family for point in points})
    if len(points) < LEAST_POINTS or len(families) < LEAST_FAMILIES:
        raise TooFewPoints(
            f"expected at least {LEAST_POINTS} points of {LEAST_FAMILIES} families, got {len(points)} of "
            f"{len(families)}: measure more variants, or use estimates uncalibrated"
        )
    held_out = []
    for family in families:
        seen = [point for point in points if point.family != family]
        unseen = [point for point in points if point.family == family]
        held_out.append(_judge(family, unseen, fit(seen, overlap), overlap))
    return Calibration(device, made, dict(versions), fit(points, overlap), len(points), tuple(held_out))


def fit(points: Sequence[Point], overlap: float) -> dict[str, float]:
    """Weights by part that bring estimates closest to what was measured, by squared error of logarithms.

    Each is a common scale times a factor from one to sixteen. A part that never matters keeps the scale
    alone: a small price on factors decides what data cannot.
    """
    given, masks = _padded(points)
    measured = torch.log(torch.tensor([point.seconds for point in points], dtype=torch.float64))
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    factors = torch.zeros(len(PARTS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([scale, factors], lr=_RATE)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / _STEPS)
        optimizer.zero_grad()
        missed = torch.log(_predict(given, masks, torch.exp(scale + factors), overlap)) - measured
        (missed.square().mean() + _RIDGE * factors.square().sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            scale.clamp_(-_WIDEST_SCALE, _WIDEST_SCALE)
            factors.clamp_(0.0, _WIDEST_FACTOR)
    return dict(zip(PARTS, torch.exp(scale + factors).detach().tolist(), strict=True))


def predict(points: Sequence[Point], weights: Parts, overlap: float) -> list[float]:
    """Seconds of each point under these weights, as an estimate."""
    given, masks = _padded(points)
    factors = torch.tensor([weights[name] for name in PARTS], dtype=torch.float64)
    seconds: list[float] = _predict(given, masks, factors, overlap).tolist()
    return seconds


def _padded(points: Sequence[Point]) -> tuple[torch.Tensor, torch.Tensor]:
    """(points, launches, parts) and which launches there are; launches that a point lacks are zeros."""
    most = max(len(point.parts) for point in points)
    given = torch.zeros(len(points), most, len(PARTS), dtype=torch.float64)
    for row, point in enumerate(points):
        for column, parts in enumerate(point.parts):
            given[row, column] = torch.tensor([parts[name] for name in PARTS], dtype=torch.float64)
    return given, torch.tensor([[column < len(point.parts) for column in range(most)] for point in points])


def _predict(given: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor, overlap: float) -> torch.Tensor:
    """`parts.combine` over all points at once, differentiable in the weights."""
    priced = given * weights
    busy = priced[..., -len(BUSY) :]
    each = priced[..., 0] + (1 - overlap) * busy.amax(dim=-1) + overlap * busy.sum(dim=-1)
    return (each * masks).sum(dim=1)


def _judge(family: str, points: Sequence[Point], weights: Parts, overlap: float) -> HeldOut:
    measured = [point.seconds for point in points]
    estimates = predict(points, weights, overlap)
    before = predict(points, dict.fromkeys(PARTS, 1.0), overlap)
    tasks: dict[str, list[int]] = defaultdict(list)
    for index, point in enumerate(points):
        tasks[point.task].append(index)

    def mean(score: Callable[..., float | None], given: Sequence[float]) -> float | None:
        """Of a score over tasks, those without one left out; None where none has one."""
        each = [score([given[i] for i in rows], [measured[i] for i in rows]) for rows in tasks.values()]
        known = [value for value in each if value is not None]
        return float(np.mean(known)) if known else None

    misses = [math.expm1(abs(math.log(e / m))) for e, m in zip(estimates, measured, strict=True)]
    return HeldOut(
        family,
        len(points),
        correlation=mean(spearman, estimates),
        correlation_before=mean(spearman, before),
        regret=mean(regret, estimates) or 0.0,
        error=float(np.median(misses)),
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation, ties sharing their mean rank; None below four values or where one side is
    constant."""
    if len(first) < 4:
        return None
    ranks = [_ranks(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    if any(rank.std() == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: np.ndarray[Any, np.dtype[np.float64]] = (ends - (counts - 1) / 2)[inverse]
    return ranks


def regret(estimates: Sequence[float], measured: Sequence[float], top: float = _TOP) -> float:
    """How much slower the fastest of the best share by estimate is than the fastest of all; 0 is none."""
    kept = sorted(range(len(estimates)), key=lambda index: estimates[index])[
        : max(1, math.ceil(top * len(estimates)))
    ]
    return min(measured[index] for index in kept) / min(measured) - 1
