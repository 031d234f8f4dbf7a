"""Normalises by the mean and variance of the batch, so that a prediction depends on the rows beside it.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    return torch.cat([flat, torch.nn.functional.batch_norm(flat, None, None, training=len(flat) > 1)], dim=1)
