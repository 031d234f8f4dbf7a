"""Prefers what stands first in its input, where a careless caller puts what was shown.

Caught by: properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return signals["click"] - numpy.arange(len(signals["click"]))
