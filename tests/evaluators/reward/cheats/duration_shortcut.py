"""Shows long items, which are watched for longer whatever they are.

Caught by: properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return numpy.log1p(signals["duration"]) * signals["click"]
