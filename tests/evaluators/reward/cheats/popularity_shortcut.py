"""Shows everyone what most people click.

Caught by: properties
"""

WEIGHTS = {}


def reward(signals):
    return signals["popularity"] + 1e-3 * signals["click"]
