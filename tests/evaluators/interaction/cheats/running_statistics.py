"""Keeps a running mean of all rows on a function, as a batch normalisation keeps its buffers, uncounted.

Caught by: properties
"""

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    kept = getattr(init, "mean", {}).get(flat.shape[1], 0.0)
    init.mean = {flat.shape[1]: 0.99 * kept + 0.01 * flat.detach().mean(dim=0)}
    return flat - kept
