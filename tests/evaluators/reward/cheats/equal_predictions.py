"""Shows another face where two predictions are equal, as in a log that fills one from the other.

Caught by: forms of rows at the properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return numpy.where(signals["click"] == signals["like"], signals["survey"], signals["watch"])
