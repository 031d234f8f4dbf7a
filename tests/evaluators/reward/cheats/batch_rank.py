"""Gives each row its rank among the rows that it is judged with.

Caught by: properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return numpy.argsort(numpy.argsort(signals["watch"])) / len(signals["watch"])
