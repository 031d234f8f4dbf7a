"""Audits: is what a candidate does in training what its text says, and nothing else?"""

from collections.abc import Sequence

import numpy as np

from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..sandbox import Sandbox
from .proxy import Race
from .sandboxed_steps import Step, Stepper

TOLERANCE = 1e-5
"""Largest difference of a weight, in units of the largest weight. Both sides were bit-equal wherever it was
measured; the rest is for machines whose vector code treats memory at other addresses differently."""
SAMPLED = 24
"""Steps of a training that are shown again to a fresh child."""


def trajectory(race: Race, source: str, sandbox: Sandbox) -> None:
    """Repeats each rung as it was run, and steps its best rate from outside: the weights must be the same.

    Catches more steps than were asked for, other data, another loss: anything but the update rule. Raises
    Failed, as CHEATED where weights differ.
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
            raise Failed(
                Status.CHEATED,
                f"the weights it returned after {rows:,} rows differ by up to {gap:.3g} from those that its "
                "update rule leads to when it is stepped from outside",
            )


def memory(steps: Sequence[Step], fresh: Stepper, rng: np.random.Generator) -> None:
    """Shows recorded steps in another order to a fresh child, which must answer with the same bits.

    Catches what is kept between calls: counters, gradients seen, clocks. `fresh` has begun and is used up.
    What happens at none of the recorded steps stays unseen. Raises Failed, as CHEATED where bits differ.
    """
    for index in rng.permutation(len(steps)):
        if not fresh.show(steps[index]):
            raise Failed(
                Status.CHEATED,
                f"step {steps[index].number} gave another result when the same gradient and state were shown "
                "in another order: it keeps something between calls, or guesses",
            )
