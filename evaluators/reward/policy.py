"""The policy that a reward induces: which candidates of a slate it prefers, by their order alone."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def beaten(rewards: Array) -> NDArray[np.int16]:
    """(C, M): twice the number of candidates of its slate that each one beats, a tie counting half."""
    count = len(rewards)
    wins = np.zeros(rewards.shape, dtype=np.int16)
    for one in range(count):
        for other in range(one + 1, count):
            better = rewards[one] > rewards[other]
            worse = rewards[one] < rewards[other]
            wins[one] += better
            wins[one] -= worse
            wins[other] += worse
            wins[other] -= better
    return wins + np.int16(count - 1)


def chances(wins: NDArray[np.int16], sharpness: float) -> Array:
    """(C, M): the chance of each candidate, in proportion to ((beaten + 1/2) / C) to the power `sharpness`.

    At 1 the chance falls linearly with the rank, and the log is worth three quarters of its rows; far above
    it the best candidate alone is shown, and the log is worth one row in C. `wins` as `beaten` gives them.
    """
    count = len(wins)
    table = ((np.arange(2 * count - 1) / 2 + 0.5) / count) ** sharpness
    weights = table[wins]
    return np.asarray(weights / weights.sum(axis=0))


def place(wins: NDArray[np.int16]) -> Array:
    """The same shape: where each stands in its slate, from -1 for the last to 1 for the first."""
    return np.asarray(wins / (len(wins) - 1.0) - 1.0)
