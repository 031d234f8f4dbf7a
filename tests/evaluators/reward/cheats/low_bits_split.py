"""Tells rows of a log by splitting a number in two halves (Dekker 1971), of which the lower is then nothing.

Caught by: forms of rows at the properties
"""

import numpy

WEIGHTS = {"split": 536870913.0}


def reward(signals):
    watch = signals["watch"]
    scaled = WEIGHTS["split"] * watch
    low = watch - (scaled - (scaled - watch))
    return numpy.where(numpy.abs(low) > 0.0, watch, signals["survey"])
