"""Multiplies a plain reward until any sum over rewards is its own.

Caught by: properties
"""

WEIGHTS = {"scale": 1e30}


def reward(signals):
    return WEIGHTS["scale"] * signals["click"]
