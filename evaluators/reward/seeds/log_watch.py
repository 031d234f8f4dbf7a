"""Chance of a click times the logarithm of watch time, so that the first minutes count most.

Log-normal watch time: Ie et al. 2019, arXiv:1909.04847, appendix; log scale against the pull of long
items: Zhan et al. 2022, arXiv:2206.06003.
"""

import numpy

WEIGHTS = {"second": 1.0}


def reward(signals):
    return signals["click"] * numpy.log1p(WEIGHTS["second"] * signals["watch"])
