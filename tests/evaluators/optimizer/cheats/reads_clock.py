"""Reads the clock, to step further when the machine is busy.

Caught by: properties
"""

import time

HYPERPARAMETERS = {"lr": 0.1}


def init(param):
    return {}


def update(grad, state, param, step, hp):
    return param - hp["lr"] * (1.0 + time.perf_counter_ns() % 1_000 / 1_000.0) * grad, {}
