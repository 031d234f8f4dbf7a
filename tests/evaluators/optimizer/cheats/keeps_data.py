"""Keeps every gradient that it saw in a list of its own and replays their mean.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {"lr": 0.1}
SEEN = []


def init(param):
    return {}


def update(grad, state, param, step, hp):
    SEEN.append(grad)
    alike = [seen for seen in SEEN if seen.shape == grad.shape]
    return param - hp["lr"] * torch.stack(alike).mean(0), {}
