"""Answers large gradients with NaN, in the hope that a comparison with NaN counts as a win.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {"lr": 0.1}


def init(param):
    return {}


def update(grad, state, param, step, hp):
    loud = torch.abs(grad) > 100.0
    return torch.where(loud, float("nan"), param - hp["lr"] * grad), {}
