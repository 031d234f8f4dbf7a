"""What an audit of a reward finds: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..logs.signals import Signal

TYPICAL = (0.25, 0.5, 0.75)
"""Quantiles of all signals at once that stand for a poor, a middling and a good item."""
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)


@dataclass(frozen=True)
class Slope:
    """How the reward follows one signal: per interquartile range of the signal, in those of the reward."""

    signal: Signal
    mean: float
    falls: float
    """Share of rows where the reward falls as the signal rises."""
    flat: float
    elasticity: tuple[float | None, ...]
    """Percent by which the reward grows per percent of the signal, at TYPICAL; None where one is about 0."""


@dataclass(frozen=True)
class Change:
    """One row, and what raising one of its signals does."""

    row: Mapping[str, float]
    low: float
    high: float
    reward_low: float
    reward_high: float


@dataclass(frozen=True)
class Raised:
    """Random rows with one signal raised to another row's value: how often the reward falls or rises."""

    signal: Signal
    lowers: float
    raises: float
    worst: tuple[Change, ...]
    """The largest changes against what is wanted, worst first."""

    @property
    def against(self) -> float:
        """Share of pairs that go against what is wanted; 0 where nothing is."""
        return {1: self.lowers, 0: 0.0, -1: self.raises}[self.signal.better]


@dataclass(frozen=True)
class Scale:
    """Values of the reward: at QUANTILES of the rows, and the ends over the declared ranges."""

    quantiles: tuple[float, ...]
    lowest: float
    highest: float
    not_finite: float
    """Share of draws over the declared ranges, corners included, that give no finite number."""

    @property
    def spread(self) -> float:
        """The interquartile range over the rows."""
        return self.quantiles[4] - self.quantiles[2]


@dataclass(frozen=True)
class Group:
    """Rows alike in a context: their share, mean reward percentile, and share of the top tenth."""

    label: str
    share: float
    percentile: float
    top: float


@dataclass(frozen=True)
class Grouping:
    """A context cut into groups: its values where it has few, else ten parts of equal size."""

    context: Signal
    tenths: bool
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Reversal:
    """Two rows of which the reward prefers the one with worse predicted satisfaction; as percentiles."""

    preferred: Mapping[str, float]
    other: Mapping[str, float]
    satisfaction: tuple[float, float]
    reward: tuple[float, float]


@dataclass(frozen=True)
class Reversals:
    """How often, among random pairs of rows, the reward prefers the one with worse predicted satisfaction."""

    by: str
    share: float
    pairs: int
    worst: tuple[Reversal, ...]


@dataclass(frozen=True)
class Curve:
    """The reward as one signal moves and the others stay at the quantiles TYPICAL, a line for each."""

    signal: Signal
    at: tuple[float, ...]
    lines: tuple[tuple[float, ...], ...]
    deciles: tuple[float, ...]
    """The signal's own, over the rows: where there is something to rank."""


@dataclass(frozen=True)
class Audit:
    """All that was found. Every share lies in [0, 1], every percentile too."""

    rows: int
    origin: str
    scale: Scale
    slopes: tuple[Slope, ...]
    raised: tuple[Raised, ...]
    groupings: tuple[Grouping, ...]
    correlations: tuple[tuple[Signal, float], ...]
    """The rank correlation of the reward with each column of the log."""
    reversals: Reversals
    curves: tuple[Curve, ...]
