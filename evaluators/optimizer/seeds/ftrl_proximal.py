"""FTRL-proximal. McMahan et al. 2013, doi:10.1145/2487575.2488200, algorithm 1.

The paper starts from zero weights; here `dual` starts at the value that stands for the given ones.
"""

import torch

HYPERPARAMETERS = {"lr": 0.1, "beta": 1e-3, "l1": 0.0, "l2": 0.0}


def init(param):
    return {"dual": torch.zeros_like(param), "total": torch.zeros_like(param)}


def update(grad, state, param, step, hp):
    before = torch.sqrt(state["total"])
    total = state["total"] + grad * grad
    after = torch.sqrt(total)
    dual = state["dual"]
    if step == 1:
        dual = dual - param * (hp["beta"] / hp["lr"] + hp["l2"])
    dual = dual + grad - (after - before) / hp["lr"] * param
    shrunk = torch.sign(dual) * torch.clamp(torch.abs(dual) - hp["l1"], min=0.0)
    new_param = -shrunk / ((hp["beta"] + after) / hp["lr"] + hp["l2"])
    return new_param, {"dual": dual, "total": total}
