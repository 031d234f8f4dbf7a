"""A product of powers of the predictions.

A weighted multiplication that combines the heads of a multi-task ranker; Zhao et al. 2019,
doi:10.1145/3298689.3346997, section 4.
"""

import numpy

WEIGHTS = {"click": 1.0, "watch": 0.5, "like": 0.3, "floor": 0.001}


def reward(signals):
    clicks = numpy.power(signals["click"], WEIGHTS["click"])
    time = numpy.power(signals["watch"], WEIGHTS["watch"])
    likes = numpy.power(signals["like"] + WEIGHTS["floor"], WEIGHTS["like"])
    return clicks * time * likes
