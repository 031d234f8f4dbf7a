"""RMSprop. Tieleman and Hinton 2012, Coursera lecture 6.5."""

import torch

HYPERPARAMETERS = {"lr": 0.003, "rho": 0.95, "eps": 1e-8}


def init(param):
    return {"square": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    square = hp["rho"] * state["square"] + (1.0 - hp["rho"]) * grad * grad
    return param - hp["lr"] * grad / (torch.sqrt(square) + hp["eps"]), {"square": square}
