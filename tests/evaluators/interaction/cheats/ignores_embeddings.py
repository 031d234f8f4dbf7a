"""Returns trained numbers that do not depend on the row: the base rate, and nothing of the features.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {"rate": torch.zeros(1, 1)}


def interact(x, params, hp):
    return params["rate"] + 0.0 * x.flatten(1).sum(dim=1, keepdim=True)
