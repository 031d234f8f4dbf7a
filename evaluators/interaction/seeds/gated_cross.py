"""Gated cross: a sigmoid gate times a value path, added to its input.

After the launch told in arXiv:2602.10226 (2026).
"""

import torch

HYPERPARAMETERS = {"scale": 1.0}


def init(fields, dim, hp):
    return {
        "gate": hp["scale"] * torch.randn(fields * dim, fields * dim) / (fields * dim) ** 0.5,
        "gate_bias": torch.zeros(fields * dim),
        "value": hp["scale"] * torch.randn(fields * dim, fields * dim) / (fields * dim) ** 0.5,
        "value_bias": torch.zeros(fields * dim),
    }


def interact(x, params, hp):
    flat = x.flatten(1)
    gate = torch.sigmoid(flat @ params["gate"] + params["gate_bias"])
    value = flat @ params["value"] + params["value_bias"]
    return flat + flat * gate * value
