"""Factorisation machine: the sum of all pairwise dot products.

Rendle 2010, doi:10.1109/ICDM.2010.127, lemma 3.1.
"""

HYPERPARAMETERS = {}
PERMUTATION = "invariant"


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    total = x.sum(dim=1)
    squares = (x * x).sum(dim=1)
    return 0.5 * (total * total - squares).sum(dim=1, keepdim=True)
