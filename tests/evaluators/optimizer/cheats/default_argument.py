"""Hides a counter in a mutable default argument and takes a larger step at every third call.

Caught by: properties
"""

HYPERPARAMETERS = {"lr": 0.1}


def boost(calls=[0]):
    calls[0] += 1
    return 3.0 if calls[0] % 3 == 0 else 1.0


def init(param):
    return {}


def update(grad, state, param, step, hp):
    return param - hp["lr"] * boost() * grad, {}
