"""What outcomes a model expects of candidates: the nuisance that makes off-policy values narrow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.splits import uniform
from .logs.log import RewardLog

Array = NDArray[np.float64]
LARGEST = 6.0
"""Standard deviations, or their product, to which a feature is clipped."""
PENALTY = 10.0
"""Of the ridge, in rows: what a coefficient costs."""
CHUNK = 8_192
"""Slates whose features are in memory at once."""


@dataclass(frozen=True, eq=False)
class Expected:
    """Of an outcome: `candidates` (C, M) what each would bring, `chosen` (M,) what the one shown would."""

    candidates: Array
    chosen: Array


def expected(log: RewardLog, outcome: str, seed: int = 0) -> Expected:
    """What a ridge regression expects of every candidate, fitted on the users of the other half.

    Two halves of users, each predicted by the model of the other, so that no row is fitted on its own outcome
    (Chernozhukov et al. 2018, arXiv:1608.00060). Features are the predictions of the candidate on two
    scales and their products, relative to its slate, those of the slate's mean, and what the user did before.
    """
    scaled, before = _scaled(log), _standard(log.before)
    half = uniform(log.user, seed + 71) < 0.5
    target = log.outcomes[outcome]
    middle = float(target.mean())
    parts = [slice(start, start + CHUNK) for start in range(0, len(log), CHUNK)]
    sums = [0.0, 0.0]
    grams: list[Any] = [0.0, 0.0]
    for part in parts:
        own, slate = _features(scaled[:, :, part], before[part])
        chosen = np.take_along_axis(own, log.chosen[part][None, None, :], 1)[:, 0]
        rows = np.concatenate([chosen, slate])
        for side, learnt in enumerate((half[part], ~half[part])):
            grams[side] += rows[:, learnt] @ rows[:, learnt].T
            sums[side] += rows[:, learnt] @ (target[part][learnt] - middle)
    weights = [
        np.linalg.solve(grams[side] + PENALTY * np.eye(len(grams[side])), sums[side]) for side in (1, 0)
    ]
    found = np.empty((log.choices, len(log)))
    for part in parts:
        own, slate = _features(scaled[:, :, part], before[part])
        mine, other = (
            middle + np.tensordot(fit[: len(own)], own, 1) + fit[len(own) :] @ slate for fit in weights
        )
        found[:, part] = np.where(half[part], mine, other)
    return Expected(found, found[log.chosen, np.arange(len(log))])


def _scaled(log: RewardLog) -> Array:
    """(K, C, M): each prediction as it is, and its logarithm where it is never negative, standardised."""
    scaled = []
    for one in log.signals.predictions:
        column = log.columns[one.name]
        scaled.append(_standard(column))
        if one.low >= 0:
            scaled.append(_standard(np.log(column + (one.high - one.low) * 1e-4)))
    return np.stack(scaled)


def _features(scaled: Array, before: Array) -> tuple[Array, Array]:
    """Features (F, C, M) of candidates, relative to their slate's mean, and (G, M) of the slate."""
    products = [np.clip(a * b, -LARGEST, LARGEST) for k, a in enumerate(scaled) for b in scaled[k:]]
    features = np.concatenate([scaled, np.stack(products)])
    means = features.mean(axis=1)
    slate = np.concatenate([np.ones((1, before.size)), means, np.stack([before, before**2 - 1.0])])
    return features - means[:, None], slate


def _standard(values: Array) -> Array:
    spread = float(values.std())
    return np.asarray(
        np.clip((values - values.mean()) / spread if spread else values * 0.0, -LARGEST, LARGEST)
    )
