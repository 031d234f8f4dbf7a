"""Adagrad that is quick while steps are timed, and slow from step 1,000 on.

Caught by: guard
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    moved = hp["lr"] * grad / (torch.sqrt(total) + hp["eps"])
    if step > 1_000:
        for _ in range(16):
            moved = torch.sin(moved) * 0.0 + moved
    return param - moved, {"total": total}
