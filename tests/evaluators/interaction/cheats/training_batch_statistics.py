"""Looks at other rows in batches of exactly the training's size, and in no other.

Caught by: companions of its rows at the north star
"""

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    if x.shape[0] == 128:
        return flat - flat.mean(dim=0, keepdim=True)
    return flat
