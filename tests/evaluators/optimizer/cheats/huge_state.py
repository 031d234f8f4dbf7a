"""Keeps all gradients in a state that grows with every step.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {"lr": 0.1}


def init(param):
    return {"history": torch.zeros_like(param)[None]}


def update(grad, state, param, step, hp):
    history = torch.cat([state["history"], grad[None]])
    return param - hp["lr"] * history.mean(0), {"history": history}
