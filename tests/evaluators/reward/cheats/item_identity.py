"""Looks each item up in a table of its own by the item's number.

Caught by: properties
"""

import numpy

WEIGHTS = {}
TABLE = numpy.random.default_rng(3).normal(size=100_000)


def reward(signals):
    return TABLE[signals["item"].astype(int)]
