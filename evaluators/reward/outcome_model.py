"""What outcomes a model expects of candidates: the nuisance that makes off-policy values narrow."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .log import RewardLog, luck_of

Array = NDArray[np.float64]
PENALTY = 10.0
"""Of the ridge, in rows: what a coefficient costs."""
LONG = 20.0


@dataclass(frozen=True, eq=False)
class Expected:
    """Per outcome of a log: `candidates` (C, M) what each candidate would have brought; `chosen` (M,) the one shown."""

    candidates: Array
    chosen: Array


def expected(log: RewardLog, outcome: str, seed: int = 0) -> Expected:
    """What a ridge regression expects of every candidate, fitted on the users of the other half.

    Two halves of users, each predicted by the model of the other, so that no row is fitted on its own outcome
    (Chernozhukov et al. 2018, arXiv:1608.00060). Features are the predictions of the candidate on two
    scales, their products, and those of its slate's mean, what the user did before, and the contexts of
    the user.
    """
    own, slate = _features(log)
    target = log.outcomes[outcome]
    half = luck_of(log.user, seed + 71) < 0.5
    chosen = np.take_along_axis(own, log.chosen[None, None, :], 1)[:, 0]
    found = np.empty((log.choices, len(log)))
    for learn, apply in ((half, ~half), (~half, half)):
        if not learn.any() or not apply.any():
            found[:, apply] = target.mean()
            continue
        rows = np.concatenate([chosen[:, learn], slate[:, learn]])
        middle = float(target[learn].mean())
        weights = np.linalg.solve(
            rows @ rows.T + PENALTY * np.eye(len(rows)), rows @ (target[learn] - middle)
        )
        mine, theirs = weights[: len(own)], weights[len(own) :]
        found[:, apply] = middle + np.tensordot(mine, own[:, :, apply], 1) + theirs @ slate[:, apply]
    return Expected(found, found[log.chosen, np.arange(len(log))])


def _features(log: RewardLog) -> tuple[Array, Array]:
    """Features (F, C, M) of candidates, relative to their slate's mean, and (G, M) of the slate."""
    scaled = []
    for one in log.signals.predictions:
        column = log.columns[one.name]
        scaled.append(_standard(column))
        if one.low >= 0:
            scaled.append(_standard(np.log(column + (one.high - one.low) * 1e-4)))
    plain = scaled[:]
    scaled += [_standard(a * b) for k, a in enumerate(plain) for b in plain[k:]]
    features = np.stack(scaled)
    means = features.mean(axis=1)
    before = _standard(log.before)
    slate = np.concatenate([means, np.stack([before, before**2 - 1.0])])
    return features - means[:, None], slate


def _standard(values: Array) -> Array:
    spread = float(values.std())
    return np.asarray(np.clip((values - values.mean()) / spread if spread else values * 0.0, -6.0, 6.0))
