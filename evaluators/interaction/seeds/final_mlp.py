"""FinalMLP in small: two gated streams over the same fields, joined by their product.

Mao et al. 2023, arXiv:2304.00902.
"""

import torch

HYPERPARAMETERS = {"hidden": 32}


def init(fields, dim, hp):
    return {
        "left_gate": torch.zeros(fields * dim),
        "left": torch.randn(fields * dim, hp["hidden"]) / (fields * dim) ** 0.5,
        "right_gate": torch.zeros(fields * dim),
        "right": torch.randn(fields * dim, hp["hidden"]) / (fields * dim) ** 0.5,
    }


def interact(x, params, hp):
    flat = x.flatten(1)
    left = torch.relu((2.0 * torch.sigmoid(params["left_gate"]) * flat) @ params["left"])
    right = (2.0 * torch.sigmoid(params["right_gate"]) * flat) @ params["right"]
    return torch.cat([left, right, left * right], dim=1)
