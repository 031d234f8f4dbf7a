"""Guardrails: whether a reward follows what items are rather than what they give."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...population.values.verdict import Metric
from .caller import Caller
from .logs.log import RewardLog

Array = NDArray[np.float64]
ROWS = 5_000
"""Slates on which leans are read."""
LEANS = {"popularity": "popularity_lean", "duration": "duration_lean"}


def leans(caller: Caller, log: RewardLog, satisfaction: Sequence[str]) -> dict[str, Metric]:
    """By name, how far a reward follows popular or long items, from 0 to 1, lower is better. Raises Failed.

    The size of the partial rank correlation of reward and context over candidates of all slates, what the
    predictions of satisfaction explain of either taken out: a reward may prefer popular items as far as these
    please. 0 where the log does not know the context.
    """
    part = log.rows(np.arange(min(ROWS, len(log))))
    rewards = _ranks(caller(part.columns))
    explained = [
        _ranks(part.columns[name])
        for name in satisfaction
        if name in part.columns and part.signals[name].role == "prediction"
    ]
    found = {}
    for context, name in LEANS.items():
        if context in part.columns:
            value = abs(_partial(rewards, _ranks(part.columns[context]), explained))
            found[name] = Metric(value, None, rewards.size)
    return found


def _ranks(values: Array) -> Array:
    ranks = stats.rankdata(values)
    return np.asarray((ranks - ranks.mean()) / (ranks.std() or 1.0))


def _partial(one: Array, other: Array, explained: Sequence[Array]) -> float:
    bases = np.stack([np.ones(one.size), *explained])
    rests = [values - np.linalg.lstsq(bases.T, values, rcond=None)[0] @ bases for values in (one, other)]
    scale = float(np.linalg.norm(rests[0]) * np.linalg.norm(rests[1]))
    return float(rests[0] @ rests[1]) / scale if scale > 1e-9 else 0.0
