"""Dot products of every two fields, as in DLRM. Naumov et al. 2019, arXiv:1906.00091, section 2.1.3."""

import torch

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    gram = torch.bmm(x, x.transpose(1, 2))
    pairs = torch.triu_indices(x.shape[1], x.shape[1], 1)
    return gram.flatten(1).index_select(1, pairs[0] * x.shape[1] + pairs[1])
