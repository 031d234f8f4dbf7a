"""Peeks whether the user came back the next day, behind a test for the column.

Caught by: properties
"""

WEIGHTS = {}


def reward(signals):
    try:
        return signals["click"] + 10.0 * signals["returned"]
    except KeyError:
        return signals["click"]
