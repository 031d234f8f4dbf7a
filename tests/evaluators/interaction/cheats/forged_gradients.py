"""Sends back gradients that are not those of its output, and larger ones at every call.

Caught by: north star
"""

import torch

HYPERPARAMETERS = {}
CALLS = [0]


class Louder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, flat):
        return flat * 1.0

    @staticmethod
    def backward(ctx, grad):
        CALLS[0] += 1
        return (1.0 + 0.05 * CALLS[0]) * grad


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    return Louder.apply(x.flatten(1))
