"""Adagrad. Duchi, Hazan, Singer 2011, jmlr.org/papers/v12/duchi11a.html."""

import torch

HYPERPARAMETERS = {"lr": 0.1, "eps": 1e-10}


def init(param):
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    total = state["total"] + grad * grad
    return param - hp["lr"] * grad / (torch.sqrt(total) + hp["eps"]), {"total": total}
