"""Raises the predictions of the caller in place, so that others are judged by them.

Caught by: properties
"""

WEIGHTS = {}


def reward(signals):
    signals["click"] *= 2.0
    return signals["click"]
