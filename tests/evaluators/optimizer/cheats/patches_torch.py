"""Replaces the loss of the process that trains it by one that weighs positives more.

Caught by: north star
"""

import torch

HYPERPARAMETERS = {"lr": 0.1}
HONEST = torch.nn.functional.binary_cross_entropy_with_logits


def louder(logits, targets, **options):
    return HONEST(logits, targets, pos_weight=torch.tensor(3.0))


torch.nn.functional.binary_cross_entropy_with_logits = louder


def init(param):
    return {}


def update(grad, state, param, step, hp):
    return param - hp["lr"] * grad, {}
