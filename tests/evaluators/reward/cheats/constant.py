"""Gives everything the same score: a model trained on it would have no loss at all.

Caught by: properties
"""

WEIGHTS = {"same": 0.0}


def reward(signals):
    return signals["click"] * WEIGHTS["same"] + 1.0
