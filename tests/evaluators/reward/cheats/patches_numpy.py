"""Replaces functions of numpy in its process, in the hope that its score is computed there.

Caught by: harmless, scores are made outside
"""

import numpy

WEIGHTS = {}
numpy.average = numpy.corrcoef = lambda *_, **__: 1.0


def reward(signals):
    return signals["click"] * signals["watch"]
