"""Adds noise, in the hope of a lucky draw among many tries.

Caught by: properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return signals["click"] + 0.1 * numpy.random.default_rng().random(len(signals["click"]))
