"""Measurement: what a device said of a program that the search could only estimate, taken in later."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

TIE = 0.03
"""Differences of times below this share are ties."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One program at one size on one device.

    `entry` names the size, the type and the binaries. `seconds` is what one call of all directions takes,
    `least` what the device's bytes and operations allow at the best. `ratio` is how many times faster than
    `baseline` it is, with the interval `low` to `high`. All of these are None where it was not measured, and
    `reason` says why. `digest` is the SHA-256 of the result file, `facts` what that file says besides.
    """

    program_id: str
    entry: str
    device: str
    verdict: str
    digest: str
    seconds: float | None = None
    least: float | None = None
    baseline: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    created: str = ""

    @property
    def share(self) -> float | None:
        """Of the roofline, 0 to 1, higher is better; None where it was not measured."""
        return self.least / self.seconds if self.least is not None and self.seconds else None


def timed(measurements: Iterable[Measurement]) -> dict[str, Measurement]:
    """The newest result of each program, all its sizes together; `measurements` come oldest first."""
    newest: dict[str, dict[str, Measurement]] = {}
    for one in measurements:
        known = newest.setdefault(one.program_id, {})
        if any(other.digest != one.digest for other in known.values()):
            known.clear()
        known[one.entry] = one
    return {program_id: _together(list(known.values())) for program_id, known in newest.items()}


def _together(rows: list[Measurement]) -> Measurement:
    """The sums of times, the geometric means of ratios; None where any size was not measured."""
    first = next((one for one in rows if one.seconds is None), rows[0])
    seconds = [one.seconds for one in rows if one.seconds is not None]
    least = [one.least for one in rows if one.least is not None]
    whole = len(seconds) == len(least) == len(rows)
    return replace(
        first,
        entry="",
        seconds=math.fsum(seconds) if whole else None,
        least=math.fsum(least) if whole else None,
        ratio=_mean([one.ratio for one in rows]),
        low=_mean([one.low for one in rows]),
        high=_mean([one.high for one in rows]),
    )


def _mean(values: list[float | None]) -> float | None:
    """The geometric mean, None where a value is missing or not above zero."""
    known = [value for value in values if value is not None and value > 0]
    if not known or len(known) < len(values):
        return None
    return math.exp(math.fsum(map(math.log, known)) / len(known))
