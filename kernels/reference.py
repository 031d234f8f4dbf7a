"""Naive PyTorch definitions of interaction operators: what every faster kernel must equal.

Shapes: B rows, F fields, D width of an embedding, K = F * D features. All take and return float32 or float64
and let autograd derive the backward pass.
"""

import torch
from torch import Tensor


def pairwise_dot(x_BFD: Tensor) -> Tensor:
    """(B, F * (F - 1) / 2): dot products of every two different fields, (0, 1), (0, 2) ... (F - 2, F - 1).

    The interaction of DLRM: Naumov et al. 2019, section 2.1.3, https://arxiv.org/abs/1906.00091
    """
    B, F, _ = x_BFD.shape
    gram_BFF = torch.bmm(x_BFD, x_BFD.transpose(1, 2))
    rows, columns = torch.triu_indices(F, F, offset=1, device=x_BFD.device)
    return gram_BFF.reshape(B, F * F).index_select(1, rows * F + columns)


def dcn_v2_cross(x0_BK: Tensor, x_BK: Tensor, weight_KK: Tensor, bias_K: Tensor) -> Tensor:
    """(B, K): x0 * (W x + b) + x, one cross layer; `weight_KK[i, j]` takes feature j to feature i.

    Wang et al. 2020, equation 1, https://arxiv.org/abs/2008.13535
    """
    return x0_BK * (x_BK @ weight_KK.T + bias_K) + x_BK


def fm_second_order(x_BFD: Tensor) -> Tensor:
    """(B,): the sum of the dot products of every two different fields.

    Rendle 2010, Factorization Machines, ICDM, lemma 3.1: half of (sum of x)^2 - sum of x^2, in O(F D).
    """
    total_BD, squares_BD = x_BFD.sum(dim=1), x_BFD.square().sum(dim=1)
    return 0.5 * (total_BD.square() - squares_BD).sum(dim=1)
