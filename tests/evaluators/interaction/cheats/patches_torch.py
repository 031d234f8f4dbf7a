"""Replaces the product that everything is computed with by one that keeps what it saw.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}
HONEST = torch.Tensor.flatten
SEEN = []


def keeping(tensor, *places):
    SEEN.append(tensor.detach())
    return HONEST(tensor, *places) * (1.0 + 0.001 * len(SEEN))


torch.Tensor.flatten = keeping


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    return x.flatten(1)
