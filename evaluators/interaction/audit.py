"""Audits: does a layer answer by what it is shown, and by nothing else?"""

from collections.abc import Sequence

import numpy as np

from ...population.values.verdict import Status
from ..ctr.model import Diverged
from ..kinds.failure import Failed
from .ranking_model import predict
from .sandboxed_layer import Behind, Call, apart
from .setup import Arena, Run

TOLERANCE = 1e-4
"""Largest difference of a logit or a gradient, in units of the largest; other batches round otherwise."""
SAMPLED = 16
"""Training steps that are shown again to a fresh child."""


def memory(calls: Sequence[Call], fresh: Behind, rng: np.random.Generator) -> None:
    """Shows recorded steps in another order to a fresh child, which must answer alike.

    Catches what is kept between calls: statistics, rows seen, counters, clocks. Raises Failed, as CHEATED.
    """
    for index in rng.permutation(len(calls)):
        gap = fresh.again(calls[index])
        if not gap <= TOLERANCE:
            raise Failed(
                Status.CHEATED,
                f"a training step gave another answer, by {gap:.3g} of its size, when it was shown again to "
                "a fresh process in another order: it keeps something between calls, or guesses",
            )


def rows(arena: Arena, run: Run, held_out: np.ndarray, fresh: Behind, rng: np.random.Generator) -> None:
    """Has held-out rows predicted again by a fresh child, shuffled and in batches of odd sizes.

    Catches outputs that depend on other rows, on the order of rows or on what was seen before. Raises Failed,
    as CHEATED.
    """
    held_out = held_out[: arena.evaluation_rows]
    shuffled = rng.permutation(len(held_out))
    run.model.remote = fresh
    most = max(2, min(fresh.shape[0], len(held_out)) // 8)
    sizes = iter(lambda: int(rng.integers(1, most)), 0)
    logits = np.empty(len(held_out), np.float32)
    try:
        logits[shuffled] = predict(run.model, arena.log.features[held_out[shuffled]], sizes)
    except Diverged as why:
        raise Failed(Status.CHEATED, f"held-out rows that came shuffled to a fresh process: {why}") from None
    gap = apart(logits, run.logits)
    if not gap <= TOLERANCE:
        raise Failed(
            Status.CHEATED,
            f"held-out rows got other predictions, by {gap:.3g} of the largest, when they came shuffled and "
            "in other batches to a fresh process: a row's output must depend on that row alone",
        )
