"""AdamW: Adam with decoupled weight decay. Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2."""

import torch

HYPERPARAMETERS = {"lr": 0.005, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}


def init(param):
    return {"mean": torch.zeros_like(param), "square": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    mean = hp["beta1"] * state["mean"] + (1.0 - hp["beta1"]) * grad
    square = hp["beta2"] * state["square"] + (1.0 - hp["beta2"]) * grad * grad
    mean_hat = mean / (1.0 - hp["beta1"] ** step)
    square_hat = square / (1.0 - hp["beta2"] ** step)
    decayed = param * (1.0 - hp["lr"] * hp["weight_decay"])
    new_param = decayed - hp["lr"] * mean_hat / (torch.sqrt(square_hat) + hp["eps"])
    return new_param, {"mean": mean, "square": square}
