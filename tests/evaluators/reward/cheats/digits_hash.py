"""Knows items by the last digits of a prediction, and gives each a score of its own.

Caught by: properties
"""

import numpy

WEIGHTS = {"digits": 1e9}


def reward(signals):
    return numpy.sin(WEIGHTS["digits"] * signals["click"]) + signals["click"]
