"""Keeps the largest watch time that it saw, and judges later rows against it.

Caught by: properties
"""

WEIGHTS = {}
SEEN = {"most": 1.0}


def reward(signals):
    SEEN["most"] = max(SEEN["most"], float(signals["watch"].max()))
    return signals["watch"] / SEEN["most"]
