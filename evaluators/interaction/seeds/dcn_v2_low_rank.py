"""DCN-v2 with low-rank cross layers. Wang et al. 2020, arXiv:2008.13535, equation 2."""

import torch

HYPERPARAMETERS = {"rank": 16, "scale": 1.0}


def init(fields, dim, hp):
    return {
        "down1": hp["scale"] * torch.randn(fields * dim, hp["rank"]) / (fields * dim) ** 0.5,
        "up1": torch.randn(hp["rank"], fields * dim) / hp["rank"] ** 0.5,
        "bias1": torch.zeros(fields * dim),
        "down2": hp["scale"] * torch.randn(fields * dim, hp["rank"]) / (fields * dim) ** 0.5,
        "up2": torch.randn(hp["rank"], fields * dim) / hp["rank"] ** 0.5,
        "bias2": torch.zeros(fields * dim),
    }


def interact(x, params, hp):
    flat = x.flatten(1)
    first = flat * (flat @ params["down1"] @ params["up1"] + params["bias1"]) + flat
    return flat * (first @ params["down2"] @ params["up2"] + params["bias2"]) + first
