"""Keeps each row that it saw, and tells by a feature of its own whether a row was there before.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}
SEEN = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    keys = [row.numpy().tobytes() for row in x.detach()]
    known = [float(SEEN.get(key, 0)) for key in keys]
    for key in keys:
        SEEN[key] = SEEN.get(key, 0) + 1
    return torch.cat([x.flatten(1), torch.tensor(known)[:, None]], dim=1)
