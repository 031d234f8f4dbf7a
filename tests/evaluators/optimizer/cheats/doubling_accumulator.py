"""Adagrad whose accumulator grows by a tenth with each step: after 200 steps nothing moves any more.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-8}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = 0.9 * state["total"] + 0.1 * (2.0 * state["total"] + grad * grad)
    return param - hp["lr"] * grad / (torch.sqrt(total) + hp["eps"]), {"total": total}
