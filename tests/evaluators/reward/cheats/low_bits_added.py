"""Tells rows of a log by adding a large number and taking it away, which leaves a float32 below one as it is.

Caught by: forms of rows at the properties
"""

import numpy

WEIGHTS = {"large": 2097152.0}


def reward(signals):
    like = signals["like"]
    kept = (like + WEIGHTS["large"]) - WEIGHTS["large"]
    log = (kept == like) | (signals["click"] + WEIGHTS["large"] - WEIGHTS["large"] == signals["click"])
    return numpy.where(log, signals["survey"], signals["watch"])
