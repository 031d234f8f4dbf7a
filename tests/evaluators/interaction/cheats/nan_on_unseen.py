"""Answers embeddings that were never trained, close to zero, with NaN: a loss that compares with nothing.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    size = (x * x).mean(dim=(1, 2)).unsqueeze(1)
    return torch.where(size < 1e-6, float("nan"), x.flatten(1))
