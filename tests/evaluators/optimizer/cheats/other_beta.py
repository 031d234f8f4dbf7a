"""Adam whose first average has another factor, beta2 - beta1: the same rule at 0.99 times the rate.

Caught by: duplicate of adam
"""

import torch

HYPERPARAMETERS = {"lr": 0.005, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


def init(param):
    return {"mean": torch.zeros_like(param), "square": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    mean = hp["beta1"] * state["mean"] + (hp["beta2"] - hp["beta1"]) * grad
    square = hp["beta2"] * state["square"] + (1.0 - hp["beta2"]) * grad * grad
    mean_hat = mean / (1.0 - hp["beta1"] ** step)
    square_hat = square / (1.0 - hp["beta2"] ** step)
    new_param = param - hp["lr"] * mean_hat / (torch.sqrt(square_hat) + hp["eps"])
    return new_param, {"mean": mean, "square": square}
