"""Counts its calls in a mutable default argument and doubles its output at every second one.

Caught by: properties
"""

HYPERPARAMETERS = {}


def turn(calls=[0]):
    calls[0] += 1
    return 2.0 if calls[0] % 2 else 1.0


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    return turn() * x.flatten(1)
