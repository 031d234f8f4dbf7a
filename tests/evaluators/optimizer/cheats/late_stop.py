"""Adagrad that stops after 600 steps: a hidden early stop, which wins where trainings are too long.

Caught by: guard
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    moves = 1.0 if step < 600 else 0.0
    return param - moves * hp["lr"] * grad / (torch.sqrt(total) + hp["eps"]), {"total": total}
