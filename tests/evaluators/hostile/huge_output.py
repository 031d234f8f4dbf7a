"""Returns more than its limit.

Held at tiers 1 to 4.
"""

import numpy


def f(x):
    return numpy.ones(1 << 24)
