"""Keeps a wide random projection in the module, where nobody counts it, and lets few parameters choose from it.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}
WIDE = torch.randn(4096, 512, generator=torch.Generator().manual_seed(0))


def init(fields, dim, hp):
    return {"scale": torch.ones(512)}


def interact(x, params, hp):
    flat = x.flatten(1)
    return torch.relu(flat @ WIDE[: flat.shape[1]]) * params["scale"]
