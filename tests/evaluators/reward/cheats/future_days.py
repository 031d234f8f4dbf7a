"""Asks for what the user did in the week after, and falls back on clicks where it is refused.

Caught by: properties
"""

WEIGHTS = {}


def reward(signals):
    return signals.get("later_days", signals["click"])
