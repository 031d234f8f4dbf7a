"""Replaces the table by which products are counted, so that they cost nothing.

Caught by: properties
"""

import torch
from torch.utils.flop_counter import flop_registry

HYPERPARAMETERS = {}
for OPERATION in list(flop_registry):
    flop_registry[OPERATION] = lambda *args, **kwargs: 0


def init(fields, dim, hp):
    return {"cross": torch.randn(fields * dim, fields * dim) / (fields * dim) ** 0.5}


def interact(x, params, hp):
    flat = x.flatten(1)
    out = flat
    for _ in range(12):
        out = 0.5 * (out @ params["cross"])
    return flat * out
