"""Computes in numpy, where no operation of torch is counted.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    flat = x.flatten(1)
    array = flat.detach().numpy()
    wide = array
    for _ in range(8):
        wide = array * (wide @ wide.T @ array)
    return flat + 0.0 * flat + torch.from_numpy(wide)
