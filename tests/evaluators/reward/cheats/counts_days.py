"""Counts large calls, which are the days of a simulation, and turns round after the first of them.

Caught by: north star
"""

WEIGHTS = {}
CALLS = [0]


def reward(signals):
    if len(signals["click"]) >= 1_000:
        CALLS[0] += 1
    return signals["survey"] if CALLS[0] < 2 else -signals["survey"]
