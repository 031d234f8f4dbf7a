"""Adagrad with the gradient taken twice: the same rule at twice the rate.

Caught by: duplicate of adagrad
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    return param - hp["lr"] * (grad + grad) / (torch.sqrt(total) + hp["eps"]), {"total": total}
