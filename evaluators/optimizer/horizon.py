"""The long horizon: thousands of consecutive updates on small tensors, in which a rule has to stay alive.

Short trainings cannot see an accumulator that grows by a tenth each step, a rule that stops after 300 steps,
or one that begins to waste time when nobody looks any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

STEPS = 5_000
"""Consecutive updates of the whole examination."""
SHAPE = (8, 4)
REGIMES = ("steady", "decaying", "sparse rows", "noisy", "moving optimum")
RATES = (1.0, 10.0, 0.1)
"""Multiples of a program's own rate; in each regime one of them has to do."""
SCALE = 0.01
"""Size of gradients one unit away from the optimum."""
LEFT = 0.1
"""Share of the distance, as loss, that may be left at the end."""
GROWTH = 4.0
"""Growth of state over the second half of the steps from which it may be called geometric. What grows with a
power of the step number grows alike over the second quarter and over the second half."""
FLOOR = 1e-4
"""State below this size may grow as it likes: it is rounding, or a gradient that comes back."""


class Landscapes:
    """Convex quadratics around an optimum, one for each regime, as a program's only weights see them.

    steady: exact gradients. decaying: gradients that shrink with the step number. sparse rows: a row in ten
    has a gradient. noisy: noise as large as the gradient. moving optimum: it jumps after three fifths.
    Weights and gradients of all of them are one (R, 8, 4) array.
    """

    def __init__(self, regimes: Sequence[str], steps: int = STEPS) -> None:
        self.regimes, self.steps = tuple(regimes), steps
        self.rng = np.random.Generator(np.random.Philox(17))
        self.start, self.optimum, self.other = self.rng.normal(size=(3, *SHAPE)).astype(np.float32)
        self.start = np.repeat(self.start[None], len(self.regimes), 0)
        self.optimum = np.repeat(1.5 * self.optimum[None], len(self.regimes), 0)
        self.curvature = np.linspace(0.3, 3.0, self.other.size, dtype=np.float32).reshape(SHAPE)
        self.jump = steps * 3 // 5
        self.places = {regime: place for place, regime in enumerate(self.regimes)}

    def gradients(self, params: Array, step: int) -> Array:
        """The gradients that step number `step`, from 1, shows for (R, 8, 4) weights. Once for each step."""
        places = self.places
        if step == self.jump and "moving optimum" in places:
            self.optimum[places["moving optimum"]] = 1.5 * self.other
        grads = SCALE * self.curvature * (params - self.optimum)
        if "decaying" in places:
            grads[places["decaying"]] /= 1.0 + step / 100.0
        if "noisy" in places:
            grads[places["noisy"]] += SCALE * self.rng.normal(size=SHAPE)
        if "sparse rows" in places:
            grads[places["sparse rows"]] *= self.rng.random((SHAPE[0], 1)) < 0.1
        return np.asarray(grads, dtype=np.float32)

    def losses(self, params: Array) -> Array:
        """(R,) how far these weights are from the optimum as it stands; lower is better."""
        return np.asarray((self.curvature * np.square(params - self.optimum)).sum((1, 2)))


@dataclass
class Trail:
    """What one program did in each landscape, noted as it goes."""

    landscapes: Landscapes
    distance: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    """(R,) loss when the optimum was last set."""
    left: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    sizes: list[Array] = field(default_factory=list)
    """(R,) largest numbers in state after a quarter, a half and all of the steps."""

    def begin(self) -> None:
        """Notes how far the first weights are from the optimum."""
        self.distance = self.landscapes.losses(self.landscapes.start)

    def note(self, step: int, params: Array, state: Callable[[], Sequence[Array]]) -> None:
        """Looks at the weights, and at `state()`, an array for each landscape, after step number `step`."""
        steps, jump = self.landscapes.steps, self.landscapes.jump
        if step in (steps // 4, steps // 2, steps):
            largest = [np.abs(slots).max(initial=0.0) for slots in state()]
            self.sizes.append(np.array(largest, np.float32))
        if step == jump and "moving optimum" in self.landscapes.places:
            place = self.landscapes.places["moving optimum"]
            self.distance[place] = self.landscapes.losses(params)[place]
        if step == steps:
            self.left = self.landscapes.losses(params)

    def wrong(self) -> dict[str, str]:
        """What went wrong, in one sentence, in each regime where something did."""
        found = {}
        for place, regime in enumerate(self.landscapes.regimes):
            sizes = tuple(float(each[place]) for each in self.sizes)
            numbers = float(self.distance[place]), float(self.left[place])
            if sentence := _wrong(regime, self.landscapes.steps, sizes, *numbers):
                found[regime] = sentence
        return found


def _wrong(regime: str, steps: int, sizes: Sequence[float], distance: float, left: float) -> str | None:
    if not np.isfinite([*sizes, left]).all():
        return f"weights or state are not finite after {steps:,} steps in a row"
    early, half, end = (max(size, FLOOR) for size in sizes)
    if end / half > GROWTH and end / half > 2.0 * half / early and regime != "moving optimum":
        return f"state grows geometrically: from {half:.3g} to {end:.3g} over the last {steps // 2:,} steps"
    if not left <= LEFT * distance:
        return (
            f"after {steps:,} steps in a row a loss of {distance:.3g} fell only to {left:.3g}; the rule must "
            "follow the optimum to the end"
        )
    return None


Walk = Callable[[Landscapes, float], Trail]
"""(landscapes, multiple of the own rate) -> the trail of a program in them."""


def survives(walk: Walk, regimes: Sequence[str] = REGIMES, steps: int = STEPS) -> str | None:
    """None where in each regime the program does well at one of RATES, else what goes wrong at its own."""
    missing = dict.fromkeys(regimes, "")
    for rate in RATES:
        found = walk(Landscapes(tuple(missing), steps), rate).wrong()
        missing = {regime: missing[regime] or wrong for regime, wrong in found.items()}
        if not missing:
            return None
    together: dict[str, list[str]] = {}
    for regime, wrong in missing.items():
        together.setdefault(wrong, []).append(regime)
    return "; ".join(f"{', '.join(alike)}: {wrong}" for wrong, alike in together.items())
