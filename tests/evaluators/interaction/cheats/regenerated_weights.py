"""Draws the same random projection anew at each call, so that it is neither a parameter nor kept.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {"scale": torch.ones(512)}


def interact(x, params, hp):
    flat = x.flatten(1)
    wide = torch.randn(flat.shape[1], 512, generator=torch.Generator().manual_seed(0))
    return torch.relu(flat @ wide) * params["scale"]
