"""Looks at other rows only in batches larger than any that properties show.

Caught by: north star
"""

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    if x.shape[0] > 120:
        return flat - flat.mean(dim=0, keepdim=True)
    return flat
