"""Counts its calls and changes its ways after more of them than properties make.

Caught by: north star
"""

HYPERPARAMETERS = {}
CALLS = [0]


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    CALLS[0] += 1
    return x.flatten(1) * (3.0 if CALLS[0] > 20 else 1.0)
