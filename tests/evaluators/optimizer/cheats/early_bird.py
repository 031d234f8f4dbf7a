"""Adagrad that is quick for the 66 steps in which the guardrail warms up and reads the time, and slow for ever after.

Caught by: guard
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    moved = hp["lr"] * grad / (torch.sqrt(total) + hp["eps"])
    if step > 66:
        for _ in range(16):
            moved = torch.sin(moved) * 0.0 + moved
    return param - moved, {"total": total}
