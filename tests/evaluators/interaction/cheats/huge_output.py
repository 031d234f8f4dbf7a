"""Returns thousands of features, each of which gets a trained weight in the logit that no parameter counts.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    return torch.relu((flat[:, :, None] + 0.1) * (flat[:, None, :] - 0.1)).flatten(1).repeat(1, 8)
