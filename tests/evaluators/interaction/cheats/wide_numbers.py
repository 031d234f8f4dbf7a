"""Keeps two numbers in each one that is counted, as real and imaginary part.

Caught by: properties
"""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {"cross": torch.randn(fields * dim, fields * dim, dtype=torch.complex64) / (fields * dim) ** 0.5}


def interact(x, params, hp):
    flat = x.flatten(1)
    both = flat.to(torch.complex64) @ params["cross"]
    return flat * both.real * both.imag
