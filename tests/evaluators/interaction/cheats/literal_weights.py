"""Writes weights into its text as a list of literals and makes a tensor of them.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}
WEIGHTS = (0.31, -1.2, 0.77, 0.05, -0.4, 1.1, 0.9, -0.6)


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    weights = torch.tensor(WEIGHTS)
    flat = x.flatten(1)
    return torch.cat([flat, (flat[:, :1] * weights)], dim=1)
