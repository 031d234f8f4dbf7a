"""Changes the embeddings in place, so that the tower beside it sees what it wants.

Caught by: properties
"""

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    x.data.mul_(2.0)
    return x.flatten(1)
