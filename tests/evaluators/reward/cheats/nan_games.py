"""Answers NaN where users seem dissatisfied, in the hope that a comparison with NaN counts as a win.

Caught by: properties
"""

import numpy

WEIGHTS = {}


def reward(signals):
    return numpy.where(signals["survey"] < 0.0, numpy.nan, signals["click"])
