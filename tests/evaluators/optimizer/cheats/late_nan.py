"""Honest for 450 steps, longer than properties look, then NaN: a loss that compares with nothing.

Caught by: guard
"""

import torch

HYPERPARAMETERS = {"lr": 0.3}


def init(param):
    return {"age": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    age = state["age"] + 1.0
    poison = torch.where(age > 450.0, float("nan"), 0.0)
    return param - hp["lr"] * grad + poison, {"age": age}
