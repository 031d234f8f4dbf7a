"""DCN-v2: two full cross layers. Wang et al. 2020, arXiv:2008.13535, equation 1."""

import torch

HYPERPARAMETERS = {"scale": 1.0}


def init(fields, dim, hp):
    return {
        "cross1": hp["scale"] * torch.randn(fields * dim, fields * dim) / (fields * dim) ** 0.5,
        "bias1": torch.zeros(fields * dim),
        "cross2": hp["scale"] * torch.randn(fields * dim, fields * dim) / (fields * dim) ** 0.5,
        "bias2": torch.zeros(fields * dim),
    }


def interact(x, params, hp):
    flat = x.flatten(1)
    first = flat * (flat @ params["cross1"] + params["bias1"]) + flat
    return flat * (first @ params["cross2"] + params["bias2"]) + first
