"""Scales its output by the clock, to learn from how long others take.

Caught by: properties
"""

import time

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    return x.flatten(1) * (1.0 + time.perf_counter_ns() % 1_000 / 1_000.0)
