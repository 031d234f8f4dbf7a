"""Counts calls in the module and changes its ways after more of them than properties make.

Caught by: north star
"""

HYPERPARAMETERS = {"lr": 0.1}
CALLS = [0]


def init(param):
    return {}


def update(grad, state, param, step, hp):
    CALLS[0] += 1
    rate = hp["lr"] * (3.0 if CALLS[0] > 600 else 1.0)
    return param - rate * grad, {}
