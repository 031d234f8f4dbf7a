"""What every reward must do, as properties that run beside it, and the probe that tells two apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..kinds.properties import Property, Strategy, bits, nothing
from .logs.signals import SIMULATED, Signal, Signals

Namespace = Mapping[str, Any]
Array = NDArray[np.float64]

LARGEST = 1e9
"""The most that a reward may be in size, anywhere in the ranges of the signals."""
SIZES = (1, 2, 7, 33, 200)
PROBES = 600
NUDGE = 3e-7
"""A change of a prediction, as a share of its range, in which no meaning can lie."""
LEAP = 0.01
"""A change of reward, as a share of its spread, that a nudge must not cause ..."""
MOST_LEAPS = 0.2
"""... in more than this share of the rows: a threshold lies under few of them, a hash under nearly all."""
ROUNDED = 1e-5
"""A change of a reward, as a share of it, that rounding its predictions to float32 may cause ..."""
MOST_MOVED = 0.01
"""... and in what share of the rows it may cause more, together with another place."""
SAME = 1e-9
"""How far two sums of the same numbers may lie apart, as a share of their size."""

DIGITS = 11
"""Significant digits of a reward that count where two rewards are compared."""


@dataclass(frozen=True)
class Rows:
    """Predictions of `count` impressions, drawn with a seed; "edges" puts many at the ends of their range."""

    count: int
    seed: int
    edges: bool = False


class Trap(dict[str, Array]):
    """The predictions of some rows, which notes what else is asked for."""

    def __init__(self, columns: Mapping[str, Array], signals: Signals) -> None:
        super().__init__(columns)
        self.signals = signals
        self.asked: set[str] = set()

    def __missing__(self, name: str) -> Array:
        self.asked.add(name)
        raise KeyError(f"signals has no {name!r}: {_why_not(self.signals, name)}")

    def get(self, name: str, default: Any = None) -> Any:
        """The column, or the default, after noting a name that is not to be had."""
        if name not in self:
            self.asked.add(name)
        return super().get(name, default)


def _why_not(signals: Signals, name: str) -> str:
    role = next((one.role for one in signals.unreadable if one.name == name), None)
    return (
        f"it is {'an outcome' if role == 'outcome' else 'a context'}" if role else "there is no such signal"
    )


def draw(signals: Signals, rows: Rows) -> dict[str, Array]:
    """Each prediction (count,) float64 within its range: by halves even and crowded towards its low end."""
    rng = np.random.Generator(np.random.Philox([rows.seed, rows.count]))
    return {one.name: _column(one, rng, rows) for one in signals.predictions}


def _column(one: Signal, rng: np.random.Generator, rows: Rows) -> Array:
    even = rng.random(rows.count)
    start = one.low if one.low >= 0 else (one.low + one.high) / 2
    if one.low >= 0:
        crowded = one.low + (one.high - one.low) * 10.0 ** rng.uniform(-4.0, 0.0, rows.count)
    else:  # a signal with two sides crowds around its middle
        crowded = start + (one.high - one.low) / 12 * rng.standard_normal(rows.count)
    values = np.where(rng.random(rows.count) < 0.5, one.low + (one.high - one.low) * even, crowded)
    if rows.edges:
        ends = np.array([one.low, one.high, min(max(0.0, one.low), one.high)])
        values = np.where(rng.random(rows.count) < 0.6, rng.choice(ends, rows.count), values)
    return np.clip(values, one.low, one.high)


def keeps_form(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """One float64 for each row."""
    columns = draw(signals, rows)
    out = namespace["reward"](columns)
    if not isinstance(out, np.ndarray):
        return f"reward must return a numpy array, got {type(out).__name__}"
    if out.shape != (rows.count,) or out.dtype != np.float64:
        return (
            f"expected float64 of shape ({rows.count},), got {out.dtype} of shape {out.shape}; "
            "return one number per row, made from the signals"
        )
    return None


def weights_are_numbers(signals: Signals, namespace: Namespace, _: None) -> str | None:
    """WEIGHTS holds finite numbers by name."""
    weights = namespace["WEIGHTS"]
    if not isinstance(weights, dict):
        return f"WEIGHTS must be a dict, got {type(weights).__name__}"
    for name, value in weights.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not np.isfinite(value):
            return f"WEIGHTS[{name!r}] must be a finite number, got {value!r}"
    return None


def reads_predictions_alone(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """Contexts and outcomes are not asked for."""
    trap = Trap(draw(signals, rows), signals)
    try:
        namespace["reward"](trap)
    except KeyError:
        if not trap.asked:
            raise
    if trap.asked:
        name = min(trap.asked)
        return f"it asks for signals[{name!r}]: {_why_not(signals, name)}, and rewards read predictions alone"
    return None


def stays_bounded(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """Finite and at most LARGEST in size, at the ends of the ranges too."""
    out = namespace["reward"](draw(signals, rows))
    if not np.isfinite(out).all():
        return "the reward is not finite within the ranges; guard divisions, roots, logarithms and powers"
    if (size := float(np.abs(out).max())) > LARGEST:
        return f"the reward reaches {size:.3g} in size, at most {LARGEST:g} is allowed; scale it down"
    return None


def leaves_inputs(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """The signals are what they were after a call."""
    columns = draw(signals, rows)
    before = bits(columns)
    namespace["reward"](columns)
    changed = [name for name in before if name not in columns or bits(columns[name]) != before[name]]
    changed += [name for name in columns if name not in before]
    return f"reward changed its input {', '.join(changed)} in place; return a new array" if changed else None


def remembers_nothing(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """The same rows give the same bits, whatever was asked in between, extremes and all.

    Goes before what shows extremes: a program that keeps the largest value seen has not seen it yet.
    """
    columns = draw(signals, rows)
    first = bits(namespace["reward"](columns))
    for seed in range(1, 7):
        other = Rows(rows.count + 20 * (seed % 2), rows.seed + seed, edges=seed > 3)
        namespace["reward"](draw(signals, other))
        if bits(namespace["reward"](columns)) != first:
            return "the same rows gave another reward when asked again; keep nothing, use no random numbers"
    return None


def judges_rows_alone(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """Order and company of a row change nothing: in another order, in halves, alone."""
    columns = draw(signals, rows)
    whole = namespace["reward"](columns)
    order = np.random.Generator(np.random.Philox(rows.seed)).permutation(rows.count)
    half = rows.count // 2
    views = {
        "in another order": (order, [order]),
        "in two halves": (np.arange(rows.count), [np.arange(half), np.arange(half, rows.count)]),
        "one by one": (np.arange(min(rows.count, 12)), [np.array([k]) for k in range(min(rows.count, 12))]),
    }
    for words, (places, parts) in views.items():
        answers = [
            namespace["reward"]({name: column[part] for name, column in columns.items()})
            for part in parts
            if part.size
        ]
        if not all(isinstance(answer, np.ndarray) and answer.ndim == 1 for answer in answers):
            return f"shown {words}, the rows get no array of one number each"
        again = np.concatenate(answers)
        if again.shape != whole[places].shape or not _close(again, whole[places]):
            return f"shown {words}, the rows get other rewards; judge each row by itself"
    return None


def _close(one: Array, other: Array) -> bool:
    size = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(invalid="ignore"):
        return bool(((one == other) | (np.abs(one - other) <= SAME * (size + 1e-3))).all())


def tells_rows_apart(signals: Signals, namespace: Namespace, _: None) -> str | None:
    """A tenth of the probe's rows at least get different rewards."""
    out = namespace["reward"](draw(signals, Rows(PROBES, 0)))
    different = np.unique(out).size
    if different < PROBES // 10:
        return f"of {PROBES} different rows it tells {different} apart; a reward must order items"
    return None


def is_steady(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """What lies in the last digits of a prediction moves few rewards."""
    columns = draw(signals, rows)
    before = namespace["reward"](columns)
    spread = float(np.std(before))
    if not spread:
        return None
    for one in signals.predictions:
        column = columns[one.name]
        most = 1.5 * NUDGE * (one.high - one.low)
        step = most * (1.0 + 2.0 * _luck(rows)) / 3.0  # no two rows alike: a period of the step would hide
        nudged = column + np.where(column + most <= one.high, step, -step)
        after = namespace["reward"]({**columns, one.name: nudged})
        leaps = float((np.abs(after - before) > LEAP * spread).mean())
        if leaps > MOST_LEAPS:
            return (
                f"a change of {one.name} by up to {most:.3g} moves {leaps:.0%} of the rewards by more than "
                f"{LEAP:.0%} of their spread; no meaning lies in such digits"
            )
    return None


def _luck(rows: Rows) -> Array:
    return np.random.Generator(np.random.Philox([rows.seed, 7])).random(rows.count)


def holds_for_rows_of_a_log(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """Rows keep their places when every prediction is rounded to float32, as rows of a log are.

    Places are compared, not sizes: a few huge rewards would hide what the others do.
    """
    columns = draw(signals, rows)
    exact = namespace["reward"](columns)
    rounded = namespace["reward"](
        {name: one.astype(np.float32).astype(float) for name, one in columns.items()}
    )
    moved = np.abs(_places(rounded) - _places(exact)) > LEAP * rows.count
    leaps = float((moved & ~np.isclose(rounded, exact, rtol=ROUNDED, atol=0.0)).mean())
    if leaps > MOST_MOVED:
        return (
            f"rounded to float32, as the rows of a log are, {leaps:.0%} of the rows get other places; "
            "no meaning lies in such digits"
        )
    return None


def _places(rewards: Array) -> Array:
    """(N,) ranks, ties sharing the middle of theirs."""
    known = np.sort(rewards)
    return (np.searchsorted(known, rewards, "left") + np.searchsorted(known, rewards, "right")) / 2.0


def properties_for(signals: Signals = SIMULATED) -> tuple[Property, ...]:
    """What must hold of rewards over these signals."""

    def rows(sizes: tuple[int, ...] = SIZES, edges: bool | None = None) -> Strategy:
        return lambda st: st.builds(
            Rows,
            st.sampled_from(sizes),
            st.integers(0, 1_000),
            st.booleans() if edges is None else st.just(edges),
        )

    table: tuple[tuple[str, Strategy, Callable[[Signals, Namespace, Any], str | None], int], ...] = (
        ("weights are finite numbers", nothing, weights_are_numbers, 1),
        ("predictions alone are read", rows((3,), edges=False), reads_predictions_alone, 1),
        ("inputs stay as they are", rows(edges=False), leaves_inputs, 4),
        ("keeps nothing between calls", rows(edges=False), remembers_nothing, 3),
        ("one float64 per row", rows(), keeps_form, 6),
        ("finite and bounded within the ranges", rows((200,)), stays_bounded, 10),
        ("each row is judged by itself", rows(), judges_rows_alone, 6),
        ("tells rows apart", nothing, tells_rows_apart, 1),
        ("steady in the digits that mean nothing", rows((200,), edges=False), is_steady, 3),
        ("the same for rows of a log", rows((200,), edges=False), holds_for_rows_of_a_log, 3),
    )
    return tuple(
        Property(name, strategy, partial(holds, signals), examples)
        for name, strategy, holds, examples in table
    )


PROPERTIES = properties_for()
"""Those of the simulated signals."""


def probe(signals: Signals, namespace: Namespace) -> dict[str, Array]:
    """Rewards of PROBES fixed rows. Their order is what tells two rewards apart, see `behaviour`."""
    return {"reward": namespace["reward"](draw(signals, Rows(PROBES, 1)))}


def behaviour(arrays: Mapping[str, np.ndarray]) -> str:
    """The fingerprint of a probe's rewards (PROBES,), 16 hexadecimal digits: equal order, equal fingerprint.

    Failed where these are not one finite float64 per row.

    Every judgement of a reward looks at order alone: which item of a slate is better than which. So a reward
    and any strictly rising function of it are one program, and it is the ranks on the probe that are
    compared: R, 2 R + 1 and log R are presumed duplicates. Rewards that agree to DIGITS significant digits
    count as ties, or rounding would tell duplicates apart. A rising function that rounds to fewer digits,
    such as tanh far out, makes ties and is another program; so are rewards that swap two of the probe's
    PROBES rows, as a change of a weight by a thousandth does.
    """
    rewards = arrays.get("reward")
    if (
        rewards is None
        or rewards.shape != (PROBES,)
        or rewards.dtype != np.float64
        or not np.isfinite(rewards).all()
    ):
        raise Failed(Status.INVALID, "it returned no answer to the probe, one finite number per row")
    magnitude = np.floor(np.log10(np.maximum(np.abs(rewards), 1e-280)))
    unit = 10.0 ** (magnitude - DIGITS + 1)
    ranks = np.unique(np.rint(rewards / unit) * unit, return_inverse=True)[1].astype("<i4")
    return sha256(ranks.tobytes()).hexdigest()[:16]
