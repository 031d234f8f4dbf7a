"""FiBiNET in small: fields re-weighted by squeeze and excitation, then bilinear products.

Huang et al. 2019, arXiv:1905.09433.
"""

import torch

HYPERPARAMETERS = {"squeezed": 4}


def init(fields, dim, hp):
    return {
        "squeeze": torch.randn(fields, hp["squeezed"]) / fields**0.5,
        "excite": torch.randn(hp["squeezed"], fields) / hp["squeezed"] ** 0.5,
        "bilinear": torch.randn(dim, dim) / dim**0.5,
    }


def interact(x, params, hp):
    weights = torch.sigmoid(torch.relu(x.mean(dim=2) @ params["squeeze"]) @ params["excite"])
    chosen = x * weights.unsqueeze(2)
    others = chosen.sum(dim=1, keepdim=True) - chosen
    return torch.cat([chosen.flatten(1), ((chosen @ params["bilinear"]) * others).flatten(1)], dim=1)
