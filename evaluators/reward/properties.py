"""What every reward must do, as properties that run beside it, and the probe that tells two apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
CUSP = 30.0
"""How much further a nudge may move a reward than its second half does: 2 on a slope, 9 at the foot of a
logarithm of x + 1e-9."""
MOST_SPIKES = 0.05
"""The share of the rows that may have rewards which their neighbours on either side do not have."""
SAME = 1e-9
"""How far two sums of the same numbers may lie apart, as a share of their size."""

FORMS: Mapping[str, int | None] = {
    "float32": None, "4 decimals": 4, "3 decimals": 3, "2 decimals": 2, "one decimal": 1, "whole numbers": 0,
}  # fmt: skip
"""To how many decimals the numbers of a log may be rounded; drawn numbers have the 53 bits of a float64."""
TIES = "equal predictions"
"""The form of a row whose predictions all equal its first, as far as their ranges go."""
EXACT = ""
LOGGED = (*FORMS, TIES)
"""The forms that rows of a log may have."""

DIGITS = 11
"""Significant digits of a reward that count where two rewards are compared."""


@dataclass(frozen=True)
class Rows:
    """Predictions of `count` impressions, drawn with a seed; "edges" puts many at the ends of their range.

    `form` is EXACT or one of LOGGED: half of the rows have it in every prediction, the others in some.
    """

    count: int
    seed: int
    edges: bool = False
    form: str = EXACT


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
    columns = {one.name: _column(one, rng, rows) for one in signals.predictions}
    if rows.form == EXACT:
        return columns
    first = columns[signals.predictions[0].name]
    every = rng.random(rows.count) < 0.5
    for one in signals.predictions:
        column = columns[one.name]
        formed = np.clip(
            first if rows.form == TIES else _rounded(column, FORMS[rows.form]), one.low, one.high
        )
        columns[one.name] = np.where(every | (rng.random(rows.count) < 0.5), formed, column)
    return columns


def _rounded(values: Array, decimals: int | None) -> Array:
    return values.astype(np.float32).astype(np.float64) if decimals is None else np.round(values, decimals)


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


def reads_no_form(signals: Signals, namespace: Namespace, rows: Rows) -> str | None:
    """Rows in the forms of a log get no reward that they would lose with their last digits."""
    for form in LOGGED:
        columns = draw(signals, replace(rows, form=form))
        if (share := spikes(signals, namespace["reward"], columns, rows.seed)) > MOST_SPIKES:
            return (
                f"for rows in a form that logs have ({form}), {share:.0%} of the rewards leap when the last "
                "digits of the predictions move, up or down; no meaning lies in such digits"
            )
    return None


def spikes(
    signals: Signals, reward: Callable[[dict[str, Array]], Array], columns: Mapping[str, Array], seed: int
) -> float:
    """Share of the rows (N,) whose reward stands alone, in [0, 1]: lower is better.

    All predictions of a row are nudged at once, up or down by chance, and then the other way. A row counts
    where its reward passes those of LEAP of the rows each time, and to the same side, so that thresholds do
    not count; and where the first half of the way makes the leap, so that steep curves and |x - y| do not.
    The ends of a range and zero may have a meaning of their own and are not nudged.
    """
    rng = np.random.Generator(np.random.Philox([seed, 7]))
    steps = {}
    for one in signals.predictions:
        column = columns[one.name]
        most = 1.5 * NUDGE * (one.high - one.low)
        step = most * (1.0 + 2.0 * rng.random(column.shape)) / 3.0  # no two alike, as in `is_steady`
        step *= rng.choice([-1.0, 1.0], column.shape)
        inner = (column - one.low >= most) & (one.high - column >= most) & (column != 0.0)
        steps[one.name] = np.where(inner, step, 0.0)

    def nudged(share: float) -> Array:
        return reward({name: columns[name] + share * step for name, step in steps.items()})

    before = nudged(0.0)
    passed = []
    for way in (1.0, -1.0):
        half, whole = nudged(way / 2.0), nudged(way)
        at_once = np.abs(whole - before) > CUSP * np.abs(whole - half)
        passed.append(np.where(at_once, _passed(before, whole), 0))
    least = LEAP * before.size
    return float(((np.minimum(*passed) > least) | (np.maximum(*passed) < -least)).mean())


def _passed(before: Array, after: Array) -> NDArray[np.intp]:
    """(N,) how many of the rewards before lie strictly between those of a row, negative where it fell."""
    known = np.sort(before)
    risen = np.searchsorted(known, after, "left") - np.searchsorted(known, before, "right")
    fallen = np.searchsorted(known, before, "left") - np.searchsorted(known, after, "right")
    return np.asarray(np.where(after > before, np.maximum(risen, 0), -np.maximum(fallen, 0)))


def properties_for(signals: Signals = SIMULATED) -> tuple[Property, ...]:
    """What must hold of rewards over these signals."""

    def rows(
        sizes: tuple[int, ...] = SIZES, edges: bool | None = None, forms: tuple[str, ...] = (EXACT,)
    ) -> Strategy:
        return lambda st: st.builds(
            Rows,
            st.sampled_from(sizes),
            st.integers(0, 1_000),
            st.booleans() if edges is None else st.just(edges),
            st.sampled_from(forms),
        )

    table: tuple[tuple[str, Strategy, Callable[[Signals, Namespace, Any], str | None], int], ...] = (
        ("weights are finite numbers", nothing, weights_are_numbers, 1),
        ("predictions alone are read", rows((3,), edges=False), reads_predictions_alone, 1),
        ("inputs stay as they are", rows(edges=False), leaves_inputs, 4),
        ("keeps nothing between calls", rows(edges=False), remembers_nothing, 3),
        ("one float64 per row", rows(), keeps_form, 6),
        ("finite and bounded within the ranges", rows((200,)), stays_bounded, 10),
        ("finite and bounded in the forms of a log", rows((200,), forms=LOGGED), stays_bounded, 10),
        ("each row is judged by itself", rows(), judges_rows_alone, 6),
        ("tells rows apart", nothing, tells_rows_apart, 1),
        ("steady in the digits that mean nothing", rows((200,), edges=False), is_steady, 3),
        ("steady for rows in the forms of a log", rows((200,), edges=False), reads_no_form, 2),
    )
    return tuple(
        Property(name, strategy, partial(holds, signals), examples)
        for name, strategy, holds, examples in table
    )


PROPERTIES = properties_for()
"""Those of the simulated signals."""


def probe(signals: Signals, namespace: Namespace) -> dict[str, Array]:
    """Rewards of 2 PROBES fixed rows, half of them with ends of ranges, zeros, and numbers in LOGGED forms.

    Their order is what tells two rewards apart, see `behaviour`.
    """
    parts = [Rows(PROBES, 1), Rows(PROBES // 8, 2, edges=True)]
    parts += [Rows(PROBES // 8, 3 + place, form=form) for place, form in enumerate(LOGGED)]
    drawn = [draw(signals, part) for part in parts]
    columns = {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}
    return {"reward": namespace["reward"](columns)}


def behaviour(arrays: Mapping[str, np.ndarray]) -> str:
    """The fingerprint of a probe's rewards (2 PROBES,), 16 hexadecimal digits: equal for equal order.

    Failed where these are not one finite float64 per row.

    Every judgement of a reward looks at order alone: which item of a slate is better than which. So a reward
    and any strictly rising function of it are one program, and it is the ranks on the probe that are
    compared: R, 2 R + 1 and log R are presumed duplicates. Rewards that agree to DIGITS significant digits
    count as ties, or rounding would tell duplicates apart. A rising function that rounds to fewer digits,
    such as tanh far out, makes ties and is another program; so are rewards that swap two rows of the probe,
    as a change of a weight by a thousandth does.
    """
    rewards = arrays.get("reward")
    if (
        rewards is None
        or rewards.shape != (2 * PROBES,)
        or rewards.dtype != np.float64
        or not np.isfinite(rewards).all()
    ):
        raise Failed(Status.INVALID, "it returned no answer to the probe, one finite number per row")
    magnitude = np.floor(np.log10(np.maximum(np.abs(rewards), 1e-280)))
    unit = 10.0 ** (magnitude - DIGITS + 1)
    ranks = np.unique(np.rint(rewards / unit) * unit, return_inverse=True)[1].astype("<i4")
    return sha256(ranks.tobytes()).hexdigest()[:16]
