"""Returns the click itself, which no ranker knows when it ranks.

Caught by: properties
"""

WEIGHTS = {}


def reward(signals):
    return signals["clicked"]
