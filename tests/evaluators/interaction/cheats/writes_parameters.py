"""Steps its parameters itself, in place, beside the optimizer that is the same for all.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {"scale": torch.ones(fields * dim)}


def interact(x, params, hp):
    params["scale"].data.mul_(1.01)
    return x.flatten(1) * params["scale"]
