"""The clock: whose turn it is, which rounds count, and what the differences mean. The device is an argument.

Speeds are compared, never looked up: contenders run in one process in turn, A B B A, so that a clock that
drifts hits all of them alike; ratios are taken within a round and only then summarised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cuda_graphs import Captured
from .measurements import Ratio, Seconds
from .sensors import Sensors

ROUNDS = 30
TIE = 0.03
"""A difference below this is a tie, whatever its interval: two builds of one kernel differ by as much."""
DROP = 0.03
"""Rounds whose SM clock is this much below the highest of the session do not count."""
_PATIENCE = 3
"""How many times the rounds that were asked for may be run until enough of them count."""
_SETTLING = 5
"""Rounds before the first that counts: an idle device boosts its clock until power or heat stop it."""
_RESAMPLES = 2000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """One turn of every contender and one back. `seconds` is the mean over both turns and all input sets."""

    seconds: Mapping[str, float]
    sensors: Sensors


@dataclass(frozen=True)
class Session:
    """Everything of one comparison: which rounds counted and what they say."""

    seconds: Mapping[str, Seconds]
    """By contender."""
    ratios: Mapping[str, Ratio]
    """By baseline; of the first contender with each of the others."""
    discarded: int
    """Rounds left out because the clock had dropped."""
    steady: bool
    """Whether as many rounds counted as were asked for."""
    sm_mhz: tuple[float, float] | None
    """Lowest and highest SM clock of the rounds that counted."""
    watts: tuple[float, float] | None


def compare(device: Captured, contenders: Sequence[str], seed: int, rounds: int = ROUNDS) -> Session:
    """Times contenders against each other: the first is the subject, the others its baselines.

    A few rounds come before the first. More are run in place of those whose clock dropped, up to three times
    `rounds`.
    """
    for _ in range(_SETTLING):
        _round(device, contenders)
    run: list[Round] = []
    counted: list[Round] = []
    while len(counted) < rounds and len(run) < rounds * _PATIENCE:
        run.append(_round(device, contenders))
        counted = steady(run)
    first, *others = contenders
    seconds = {name: np.array([each.seconds[name] for each in counted]) for name in contenders}
    rng = np.random.default_rng(seed)
    return Session(
        seconds={name: spread(each) for name, each in seconds.items()},
        ratios={name: paired(seconds[first], seconds[name], rng) for name in others},
        discarded=len(run) - len(counted),
        steady=len(counted) >= rounds,
        sm_mhz=_range([each.sensors.sm_mhz for each in counted]),
        watts=_range([each.sensors.watts for each in counted]),
    )


def _round(device: Captured, contenders: Sequence[str]) -> Round:
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for name in (*contenders, *reversed(contenders)):
        samples[name].extend(device.seconds(name))
    return Round({name: float(np.mean(each)) for name, each in samples.items()}, device.sensors())


def steady(rounds: Sequence[Round]) -> list[Round]:
    """The rounds whose SM clock was within 3 % of the session's highest; all, where no clock is reported."""
    clocks = [each.sensors.sm_mhz for each in rounds]
    known = [clock for clock in clocks if clock is not None]
    if not known:
        return list(rounds)
    least = max(known) * (1 - DROP)
    return [each for each, clock in zip(rounds, clocks, strict=True) if clock is None or clock >= least]


def spread(seconds: Array) -> Seconds:
    """The median and its neighbours. Raises ValueError without a sample."""
    if not seconds.size:
        raise ValueError("no round counted; a median needs at least one")
    low, median, high = np.quantile(seconds, (0.2, 0.5, 0.8))
    return Seconds(float(median), float(low), float(high), int(seconds.size))


def paired(subject: Array, baseline: Array, rng: np.random.Generator) -> Ratio:
    """The median of the rounds' ratios baseline / subject, with a percentile bootstrap over rounds."""
    logs = np.log(baseline) - np.log(subject)
    drawn = rng.integers(0, logs.size, (_RESAMPLES, logs.size))
    low, high = np.quantile(np.median(logs[drawn], axis=1), (0.025, 0.975))
    ratio, low, high = (float(np.exp(each)) for each in (np.median(logs), low, high))
    return Ratio(ratio, low, high, verdict(ratio, low, high))


def verdict(ratio: float, low: float, high: float) -> str:
    """ "tie" for a ratio closer to 1 than 3 % or an interval that holds 1, else "faster" or "slower"."""
    if abs(ratio - 1) < TIE or low <= 1 <= high:
        return "tie"
    return "faster" if ratio > 1 else "slower"


def _range(values: Sequence[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None
