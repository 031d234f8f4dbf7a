"""Verdict: what judging a program gave. A bad program is a verdict with a reason, never an exception."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Status(StrEnum):
    """How judging ended. Only SCORED has fitness; INFRASTRUCTURE says nothing about the program."""

    SCORED = "scored"
    INVALID = "invalid"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    CHEATED = "cheated"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured value with its standard error and the number of measurements behind it.

    `spread` is None where one measurement cannot tell it. A boolean, a NaN or an infinity is not a
    measurement: ValueError.
    """

    value: float
    spread: float | None = None
    count: int = 1

    def __post_init__(self) -> None:
        for name, number in (("value", self.value), ("spread", self.spread)):
            if number is None and name == "spread":
                continue
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                raise ValueError(f"metric {name} must be a finite float or int of Python, got {number!r}")
        if self.count < 1:
            raise ValueError(f"metric count must be at least 1, got {self.count}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score, higher is better, with its metrics; or none and a reason that the next proposer reads.

    `score` is present exactly when `status` is SCORED. `metrics` are named measurements in their own
    units. `facts` are JSON values that are not measurements (a behaviour fingerprint, the learning rate
    chosen). `timings` are seconds and other readings of this machine: they never decide anything in a
    search and two equal runs may differ in them.
    """

    status: Status
    score: Metric | None = None
    reason: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    timings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if (self.status is Status.SCORED) != (self.score is not None):
            raise ValueError(f"a score belongs to SCORED alone, got {self.status} with {self.score}")
        if self.status is not Status.SCORED and not self.reason:
            raise ValueError(f"{self.status} needs a reason")

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values, `from_json` reads it back equal."""

        def plain(metric: Metric) -> list[float | int | None]:
            return [metric.value, metric.spread, metric.count]

        return {
            "status": str(self.status),
            "score": plain(self.score) if self.score else None,
            "reason": self.reason,
            "metrics": {name: plain(metric) for name, metric in self.metrics.items()},
            "facts": dict(self.facts),
            "timings": dict(self.timings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Verdict":
        """The verdict that `to_json` wrote."""
        return cls(
            Status(data["status"]),
            Metric(*data["score"]) if data["score"] else None,
            data["reason"],
            {name: Metric(*metric) for name, metric in data["metrics"].items()},
            data["facts"],
            data["timings"],
        )
