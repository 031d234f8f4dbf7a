"""Changes the parameter in place, so that what the caller holds is already stepped.

Caught by: properties
"""

HYPERPARAMETERS = {"lr": 0.1}


def init(param):
    return {}


def update(grad, state, param, step, hp):
    param.data.sub_(hp["lr"] * grad)
    return param, {}
