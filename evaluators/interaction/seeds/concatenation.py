"""Concatenation: the embeddings side by side, and nothing between them.

Covington et al. 2016, doi:10.1145/2959100.2959190.
"""

HYPERPARAMETERS = {}


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    return x.flatten(1)
