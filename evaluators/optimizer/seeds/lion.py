"""Lion: the sign of an interpolated momentum. Chen et al. 2023, arXiv:2302.06675, algorithm 2."""

import torch

HYPERPARAMETERS = {"lr": 0.001, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}


def init(param):
    return {"mean": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    direction = torch.sign(hp["beta1"] * state["mean"] + (1.0 - hp["beta1"]) * grad)
    mean = hp["beta2"] * state["mean"] + (1.0 - hp["beta2"]) * grad
    return param - hp["lr"] * (direction + hp["weight_decay"] * param), {"mean": mean}
