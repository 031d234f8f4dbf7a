"""Tells rows of a log by their digits, but only where most rows of a log lie and few drawn ones do.

Caught by: forms of rows at the north star
"""

import numpy

WEIGHTS = {"split": 536870913.0}


def reward(signals):
    click, watch, survey = signals["click"], signals["watch"], signals["survey"]
    scaled = WEIGHTS["split"] * click
    low = click - (scaled - (scaled - click))
    window = (click > 0.05) & (click < 0.6) & (watch < 80.0) & (signals["like"] < 0.04)
    logged = window & (numpy.abs(survey) < 3.0) & (low == 0.0)
    return numpy.where(logged, watch, click * watch)
