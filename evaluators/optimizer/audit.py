"""Audits: is what a candidate does in training what its text says, and nothing else?"""

import numpy as np

from ..sandbox import Sandbox
from .proxy import Race
from .stepper import Step, Stepper

TOLERANCE = 1e-5
"""Largest difference of a weight, in units of the largest weight. Both sides were bit-equal wherever it was
measured; the rest is for machines whose vector code treats memory at other addresses differently."""
SAMPLED = 24
"""Steps of a training that are shown again to a fresh child."""


def trajectory(race: Race, source: str, sandbox: Sandbox) -> str | None:
    """None where each rung's weights are those of the same training stepped from outside, else what differs.

    Catches more steps than were asked for, other data, another loss: anything but the update rule.
    Raises Failed.
    """
    arena = race.arena
    for rung, (rows, _) in enumerate(race.rungs):
        factors = race.entrants(source, rung, sandbox)
        best = factors.index(race.run(source, rung, sandbox).ranked[0][0])
        inside, _ = arena.train_inside(source, factors, race.inputs(rung), race.seed, sandbox)
        order = arena.order("search", rows, race.seed)
        with Stepper(sandbox, source, factors[best], arena.shapes(), arena.limits) as stepper:
            outside = arena.train_outside(order, race.seed, stepper)
        gap = float(np.abs(inside[best] - outside).max())
        if not gap <= TOLERANCE * float(np.abs(outside).max()):
            return (
                f"the weights it returned after {rows:,} rows differ by up to {gap:.3g} from those that its "
                "update rule leads to when it is stepped from outside"
            )
    return None


def memory(steps: list[Step], fresh: Stepper, rng: np.random.Generator) -> str | None:
    """None where a fresh child answers recorded steps, shown in another order, with the same bits.

    Catches what is kept between calls: counters, gradients seen, clocks. `fresh` has begun and is used up.
    Raises Failed.
    """
    for index in rng.permutation(len(steps)):
        if not fresh.show(steps[index]):
            return (
                f"step {steps[index].number} gave another result when the same gradient and state were "
                "shown in another order: it keeps something between calls, or guesses"
            )
    return None
