"""Keeps a running mean outside its state, and only for tensors larger than any that properties show.

Caught by: north star
"""

HYPERPARAMETERS = {"lr": 0.1}
MEANS = {}


def init(param):
    return {}


def update(grad, state, param, step, hp):
    if grad.numel() > 8_000:
        MEANS[grad.shape] = 0.9 * MEANS.get(grad.shape, 0.0) + grad
        return param - hp["lr"] * MEANS[grad.shape], {}
    return param - hp["lr"] * grad, {}
