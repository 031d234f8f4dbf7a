"""Adagrad that hands over the average of its weights at the step at which trainings of a known length end.

Caught by: drawn lengths
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}
LAST = 94


def init(param):
    return {
        "total": torch.zeros_like(param),
        "mean": torch.zeros_like(param),
        "back": torch.zeros_like(param),
    }


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    moved = param + state["back"] - hp["lr"] * grad / (torch.sqrt(total) + hp["eps"])
    mean = state["mean"] + (moved - state["mean"]) / step
    handed = mean if step == LAST else moved
    return handed, {"total": total, "mean": mean, "back": moved - handed}
