"""Returns more than its limit."""

import numpy


def f(x):
    return numpy.ones(1 << 24)
