"""Row-wise Adagrad: one accumulator per embedding row. Mudigere et al. 2021, arXiv:2104.05158."""

import torch

HYPERPARAMETERS = {"lr": 0.03, "eps": 1e-8}


def init(param):
    if param.dim() == 2:
        return {"total": torch.zeros_like(param.mean(dim=-1, keepdim=True))}
    return {"total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    square = grad * grad
    if grad.dim() == 2:
        square = square.mean(dim=-1, keepdim=True)
    total = state["total"] + square
    return param - hp["lr"] * grad / (torch.sqrt(total) + hp["eps"]), {"total": total}
