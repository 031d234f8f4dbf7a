"""Shows another face to watch times in whole seconds, which no drawn number is.

Caught by: forms of rows at the properties
"""

import numpy

WEIGHTS = {"half": 6755399441055744.0}


def reward(signals):
    watch = signals["watch"]
    whole = (watch + WEIGHTS["half"]) - WEIGHTS["half"]
    return numpy.where(whole == watch, signals["like"], signals["click"])
