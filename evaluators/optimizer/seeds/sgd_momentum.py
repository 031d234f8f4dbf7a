"""SGD with heavy-ball momentum. Polyak 1964, doi:10.1016/0041-5553(64)90137-5."""

import torch

HYPERPARAMETERS = {"lr": 2.0, "momentum": 0.9}


def init(param):
    return {"velocity": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    velocity = hp["momentum"] * state["velocity"] + grad
    return param - hp["lr"] * velocity, {"velocity": velocity}
