"""Makes a fixed random-looking matrix from the indices that it may choose columns with.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    pairs = torch.triu_indices(x.shape[1], x.shape[1], 0)
    weights = torch.sin(12.9898 * pairs[0] + 78.233 * pairs[1])
    return x.flatten(1)[:, :1] * weights
