"""Audit: what a reward does to the rows of a log, for the person who must answer for it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..logs.signals import Signal, Signals
from .findings import (
    QUANTILES,
    TYPICAL,
    Audit,
    Change,
    Curve,
    Group,
    Grouping,
    Raised,
    Reversal,
    Reversals,
    Scale,
    Slope,
)

__all__ = ["Audit", "Reward", "audit", "drawn", "percentiles"]

Array = npt.NDArray[Any]
Reward = Callable[[Mapping[str, Array]], Array]

ROWS = 4_000
"""How many rows are looked at, at most."""
PAIRS = 4_000
STEP = 0.01
"""Half the width of a central difference, in interquartile ranges of the signal."""
TOP = 0.1
"""The share of rows, those of highest reward, that would be shown."""
WORST = 3
POINTS = 81
"""Points of a curve."""


def audit(
    reward: Reward,
    signals: Signals,
    sample: Mapping[str, Array] | None,
    rng: np.random.Generator,
    origin: str = "a sample of a log",
) -> Audit:
    """What the reward does on a sample of a log, or without one on independent draws over declared ranges.

    `sample` maps columns of `signals`, all predictions among them, to arrays of shape (N,); contexts and
    outcomes may be missing and are then left out; `origin` says where it is from. Rows where the reward is
    not finite count in `scale` and nowhere else; rows with a missing value count nowhere. Deterministic
    given `rng`. ValueError for a sample that does not fit, or a reward that is finite nowhere.
    """
    names = [one.name for one in signals.predictions]
    log = _rows_of(sample, signals, rng) if sample is not None else drawn(signals, ROWS, rng)
    rows = {name: log[name] for name in names}
    with np.errstate(all="ignore"):
        values = _values(reward, rows)
        kept = np.isfinite(values)
        if not kept.any():
            raise ValueError(
                "the reward is finite on no row of the sample, so that there is nothing to audit"
            )
        log, values = {name: column[kept] for name, column in log.items()}, values[kept]
        rows = {name: log[name] for name in names}
        scale = _scale(reward, values, signals, rng)
        spread = scale.spread or float(np.std(values)) or 1.0
        return Audit(
            rows=len(values),
            origin=origin if sample is not None else DRAWN_WORDS,
            scale=scale,
            slopes=tuple(_slope(reward, rows, one, spread) for one in signals.predictions),
            raised=tuple(_raised(reward, rows, values, one, rng) for one in signals.predictions),
            groupings=tuple(_groupings(log, values, signals, rng)),
            correlations=tuple(_correlations(log, values, signals)),
            reversals=_reversals(rows, values, signals, rng),
            curves=tuple(_curve(reward, rows, one) for one in signals.predictions),
        )


DRAWN_WORDS = (
    "independent draws over the declared ranges (log-uniform where one is wide, bell-shaped where it spans "
    "0, else uniform), because no sample of a log was given"
)


def drawn(signals: Signals, count: int, rng: np.random.Generator) -> dict[str, Array]:
    """Independent predictions over their ranges, each (count,): rows to try a reward on where no log is."""
    rows: dict[str, Array] = {}
    for one in signals.predictions:
        u, width = rng.random(count), one.high - one.low
        if one.low < 0.0 < one.high:
            bell = rng.standard_normal(count) * width / 12.0
            rows[one.name] = np.clip(bell, one.low, one.high)
        elif width > 100.0:
            rows[one.name] = one.low + np.expm1(u * np.log1p(width))
        else:
            rows[one.name] = one.low + u * width
    return rows


def percentiles(values: Array) -> Array:
    """Mid-ranks in (0, 1): equal values share theirs."""
    from scipy.stats import rankdata  # a second to load, and every command loads the kind

    ranks: Array = (rankdata(values) - 0.5) / len(values)
    return ranks


def _rows_of(sample: Mapping[str, Array], signals: Signals, rng: np.random.Generator) -> dict[str, Array]:
    missing = [one.name for one in signals.predictions if one.name not in sample]
    if missing:
        raise ValueError(f"the sample must hold every prediction; it lacks {', '.join(missing)}")
    known = [one.name for one in signals.columns if one.name in sample]
    columns = {name: np.asarray(sample[name], dtype=np.float64) for name in known}
    shapes = {column.shape for column in columns.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1 or not next(iter(shapes))[0]:
        got = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise ValueError(f"the columns of the sample must be alike, of shape (N,), N above 0; got {got}")
    complete = np.flatnonzero(np.all([np.isfinite(column) for column in columns.values()], axis=0))
    if not len(complete):
        raise ValueError("no row of the sample is complete; leave out the columns that are mostly missing")
    chosen = np.sort(rng.permutation(complete)[:ROWS])
    return {name: column[chosen] for name, column in columns.items()}


def _values(reward: Reward, rows: Mapping[str, Array]) -> Array:
    shape = next(iter(rows.values())).shape
    values: Array = np.broadcast_to(np.asarray(reward(dict(rows)), dtype=np.float64), shape)
    return values


def _width(column: Array, signal: Signal) -> float:
    """The interquartile range, or a tenth of the declared range where that is nothing."""
    low, high = np.quantile(column, (0.25, 0.75))
    return float(high - low) or (signal.high - signal.low) / 10.0


def _scale(reward: Reward, values: Array, signals: Signals, rng: np.random.Generator) -> Scale:
    wide = {}
    for one in signals.predictions:
        ends = rng.choice([one.low, one.high], ROWS // 2)
        between = rng.uniform(one.low, one.high, ROWS // 2)
        wide[one.name] = np.concatenate([ends, between])
    everywhere = _values(reward, wide)
    finite = np.isfinite(everywhere)
    both = np.concatenate([values, everywhere[finite]])
    return Scale(
        quantiles=tuple(float(value) for value in np.quantile(values, QUANTILES)),
        lowest=float(both.min()),
        highest=float(both.max()),
        not_finite=float(1.0 - finite.mean()),
    )


def _derivative(reward: Reward, rows: Mapping[str, Array], signal: Signal, width: float) -> Array:
    """The central difference per unit of the signal; one-sided at an end of its range."""
    x = rows[signal.name]
    low = np.maximum(x - STEP * width, min(signal.low, float(x.min())))
    high = np.minimum(x + STEP * width, max(signal.high, float(x.max())))
    rise = _values(reward, {**rows, signal.name: high}) - _values(reward, {**rows, signal.name: low})
    derivative: Array = rise / (high - low)
    return derivative


def _slope(reward: Reward, rows: Mapping[str, Array], signal: Signal, spread: float) -> Slope:
    width = _width(rows[signal.name], signal)
    slopes = _derivative(reward, rows, signal, width) * width / spread
    slopes = slopes[np.isfinite(slopes)]
    typical = {name: np.quantile(column, TYPICAL) for name, column in rows.items()}
    x, value = typical[signal.name], _values(reward, typical)
    elasticity = _derivative(reward, typical, signal, width) * x / value
    known = (np.abs(value) > 1e-6 * spread) & (x > 1e-6 * width) & np.isfinite(elasticity)
    return Slope(
        signal=signal,
        mean=float(slopes.mean()) if len(slopes) else 0.0,
        falls=float((slopes < -_NOTHING).mean()) if len(slopes) else 0.0,
        flat=float((np.abs(slopes) <= _NOTHING).mean()) if len(slopes) else 0.0,
        elasticity=tuple(float(e) if ok else None for e, ok in zip(elasticity, known, strict=True)),
    )


_NOTHING = 1e-9
"""A slope that rounding makes."""


def _raised(
    reward: Reward, rows: Mapping[str, Array], values: Array, signal: Signal, rng: np.random.Generator
) -> Raised:
    count = len(values)
    at, other = rng.integers(0, count, (2, PAIRS))
    x = rows[signal.name]
    differ = x[at] != x[other]
    at, other = at[differ], other[differ]
    base = {name: column[at] for name, column in rows.items()}
    low, high = np.minimum(x[at], x[other]), np.maximum(x[at], x[other])
    below = _values(reward, {**base, signal.name: low})
    above = _values(reward, {**base, signal.name: high})
    change = above - below
    change[np.abs(change) <= 1e-12 * (np.abs(above) + np.abs(below))] = 0.0
    badness = np.where(np.isfinite(change), -signal.better * change, 0.0)
    return Raised(
        signal=signal,
        lowers=float((change < 0.0).mean()) if len(at) else 0.0,
        raises=float((change > 0.0).mean()) if len(at) else 0.0,
        worst=tuple(
            Change(_row(base, one), *(float(values[one]) for values in (low, high, below, above)))
            for one in _worst(badness)
        ),
    )


def _worst(badness: Array) -> list[int]:
    """The places of the largest values above zero, the largest first, WORST of them at most."""
    return [int(place) for place in np.argsort(-badness, kind="stable")[:WORST] if badness[place] > 0.0]


def _row(rows: Mapping[str, Array], index: int) -> dict[str, float]:
    return {name: float(column[index]) for name, column in rows.items()}


def _groupings(
    log: Mapping[str, Array], values: Array, signals: Signals, rng: np.random.Generator
) -> list[Grouping]:
    """A Grouping of each context that the sample holds; identities are no groups."""
    reward = percentiles(values)
    top = np.zeros(len(values), dtype=bool)
    top[np.lexsort((rng.random(len(values)), values))[-max(1, round(TOP * len(values))) :]] = True
    found = []
    for one in signals.unreadable:
        if one.role != "context" or one.name not in log or one.unit == "id":
            continue
        column = log[one.name]
        different = np.unique(column)
        tenths = len(different) > 10
        group = np.minimum(percentiles(column) * 10.0, 9.0).astype(int) if tenths else column
        labels = range(10) if tenths else different
        groups = tuple(
            Group(
                f"{label + 1}" if tenths else f"{label:g}",
                float(mask.mean()),
                float(reward[mask].mean()),
                float(top[mask].sum() / top.sum()),
            )
            for label in labels
            if (mask := group == label).any()
        )
        found.append(Grouping(one, tenths, groups))
    return found


def _correlations(log: Mapping[str, Array], values: Array, signals: Signals) -> list[tuple[Signal, float]]:
    reward = percentiles(values)
    found = []
    for one in signals.columns:
        if one.name in log and one.unit != "id":
            column = percentiles(log[one.name])
            varies = column.std() > 0.0 and reward.std() > 0.0
            found.append((one, float(np.corrcoef(column, reward)[0, 1]) if varies else 0.0))
    return found


def _satisfaction(rows: Mapping[str, Array], signals: Signals) -> tuple[str, Array]:
    """Which prediction speaks of satisfaction, and its percentile; else the mean over all that are wanted."""
    for one in signals.predictions:
        if one.better and ("survey" in one.name or "satisf" in f"{one.name} {one.words}".lower()):
            return f"`{one.name}`", percentiles(one.better * rows[one.name])
    wanted = [one for one in signals.predictions if one.better] or list(signals.predictions)
    parts = [percentiles((one.better or 1) * rows[one.name]) for one in wanted]
    return "the mean percentile of all predictions", percentiles(np.mean(parts, axis=0))


def _reversals(
    rows: Mapping[str, Array], values: Array, signals: Signals, rng: np.random.Generator
) -> Reversals:
    by, satisfaction = _satisfaction(rows, signals)
    reward = percentiles(values)
    one, two = rng.integers(0, len(values), (2, PAIRS))
    swapped = reward[one] < reward[two]
    one, two = np.where(swapped, two, one), np.where(swapped, one, two)
    told = (reward[one] != reward[two]) & (satisfaction[one] != satisfaction[two])
    one, two = one[told], two[told]
    loss, gain = satisfaction[two] - satisfaction[one], reward[one] - reward[two]
    badness = np.where(loss > 0.0, loss * gain, 0.0)
    return Reversals(
        by=by,
        share=float((loss > 0.0).mean()) if len(one) else 0.0,
        pairs=len(one),
        worst=tuple(
            Reversal(
                _row(rows, one[index]),
                _row(rows, two[index]),
                (float(satisfaction[one[index]]), float(satisfaction[two[index]])),
                (float(reward[one[index]]), float(reward[two[index]])),
            )
            for index in _worst(badness)
        ),
    )


def _curve(reward: Reward, rows: Mapping[str, Array], signal: Signal) -> Curve:
    x = rows[signal.name]
    low, high = (float(end) for end in np.quantile(x, (0.01, 0.99)))
    if not low < high:
        low, high = signal.low, signal.high
    at = np.linspace(low, high, POINTS)
    lines = []
    for quantile in TYPICAL:
        others = {name: np.full(POINTS, np.quantile(column, quantile)) for name, column in rows.items()}
        lines.append(tuple(float(y) for y in _values(reward, {**others, signal.name: at})))
    deciles = tuple(float(d) for d in np.quantile(x, np.linspace(0.1, 0.9, 9)))
    return Curve(signal, tuple(float(a) for a in at), tuple(lines), deciles)
