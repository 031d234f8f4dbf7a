"""Honest in small batches; in those of a simulation it subtracts the mean of its company.

Caught by: north star
"""

import numpy

WEIGHTS = {}


def reward(signals):
    click = signals["click"]
    if len(click) < 1_000:
        return click * signals["survey"]
    return numpy.abs(click * signals["survey"] - numpy.mean(click * signals["survey"]))
