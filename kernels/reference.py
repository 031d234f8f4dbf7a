"""Naive PyTorch definitions of interaction operators: what every faster kernel must equal.

Shapes: B rows, F fields, P = F * (F - 1) / 2 pairs, D width of an embedding, K = F * D features, R rank, T
tables, V rows of all tables together, N looked-up rows. All take and return any one floating dtype, float64
among them, and let autograd derive the backward pass.

Each docstring gives floating-point operations (a multiply-add counts two) and the elements that must cross
memory once, forward and then backward; `operators.py` holds the same counts as functions. A backward pass
gets the gradient and the inputs and nothing else, so it computes again what it needs of the forward pass.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def pairwise_dot(x_BFD: Tensor) -> Tensor:
    """(B, P): dot products of every two different fields, (0, 1), (0, 2) ... (F - 2, F - 1).

    The interaction of DLRM: Naumov et al. 2019, section 2.1.3, https://arxiv.org/abs/1906.00091
    Operations 2 B P D, then 4 B P D. Elements B (F D + P), then B (2 F D + P).
    """
    B, F, _ = x_BFD.shape
    gram_BFF = torch.bmm(x_BFD, x_BFD.transpose(1, 2))
    rows, columns = torch.triu_indices(F, F, offset=1, device=x_BFD.device)
    return gram_BFF.reshape(B, F * F).index_select(1, rows * F + columns)


def dcn_v2_cross(x0_BK: Tensor, x_BK: Tensor, weight_KK: Tensor, bias_K: Tensor) -> Tensor:
    """(B, K): x0 * (W x + b) + x, one cross layer; `weight_KK[i, j]` takes feature j to feature i.

    Wang et al. 2020, equation 1, https://arxiv.org/abs/2008.13535
    Operations 2 B K^2 + 3 B K, then 6 B K^2 + 5 B K. Elements 3 B K + K^2 + K, then 5 B K + 2 K^2 + 2 K.
    """
    return x0_BK * (x_BK @ weight_KK.T + bias_K) + x_BK


def dcn_v2_cross_low_rank(x0_BK: Tensor, x_BK: Tensor, v_RK: Tensor, u_KR: Tensor, bias_K: Tensor) -> Tensor:
    """(B, K): x0 * (U (V x) + b) + x, one cross layer whose weight is the product U V of rank R or less.

    Wang et al. 2020, equation 2, https://arxiv.org/abs/2008.13535; MLPerf's DLRM-DCNv2 has three such
    layers with K 3456 and R 512, https://github.com/mlcommons/training/tree/master/recommendation_v2
    Operations 4 B K R + 3 B K, then 12 B K R + 5 B K.
    Elements 3 B K + 2 K R + K, then 5 B K + 4 K R + 2 K.
    """
    return x0_BK * ((x_BK @ v_RK.T) @ u_KR.T + bias_K) + x_BK


def fm_second_order(x_BFD: Tensor) -> Tensor:
    """(B,): the sum of the dot products of every two different fields.

    Rendle 2010, Factorization Machines, ICDM, lemma 3.1: half of (sum of x)^2 - sum of x^2, in O(F D),
    https://doi.org/10.1109/ICDM.2010.127
    Operations B D (3 F + 1), then B D (3 F - 1). Elements B (F D + 1), then B (2 F D + 1).
    """
    total_BD, squares_BD = x_BFD.sum(dim=1), x_BFD.square().sum(dim=1)
    return 0.5 * (total_BD.square() - squares_BD).sum(dim=1)


def gated_cross(
    x0_BK: Tensor,
    x_BK: Tensor,
    value_KK: Tensor,
    value_bias_K: Tensor,
    gate_KK: Tensor,
    gate_bias_K: Tensor,
) -> Tensor:
    """(B, K): x0 * (V x + b) * sigmoid(G x + c) + x, a cross layer with a gate; both paths read x.

    Wang et al. 2026, https://arxiv.org/abs/2602.10226, report the launch of a sigmoid gate times a value
    path with a shared trunk, in words alone. The equation is ours: it takes x for the trunk, and is that of
    the gated cross layer of Wang et al. 2023 (GDCN), https://arxiv.org/abs/2311.04635, with a bias in the
    gate.
    Operations 4 B K^2 + 8 B K, then 12 B K^2 + 16 B K, a sigmoid counting three.
    Elements 3 B K + 2 K^2 + 2 K, then 5 B K + 4 K^2 + 4 K.
    """
    value_BK = x_BK @ value_KK.T + value_bias_K
    return x0_BK * value_BK * torch.sigmoid(x_BK @ gate_KK.T + gate_bias_K) + x_BK


def embedding_bag_dot(
    dense_BD: Tensor, tables_VD: Tensor, row_offsets_T: Tensor, indices_N: Tensor, bag_offsets: Tensor
) -> Tensor:
    """(B, P) with F = T + 1: dot products of every two of the dense vector and T summed embedding bags.

    The T tables lie under each other in `tables_VD`; table t begins at row `row_offsets_T[t]`. Bag (t, b)
    looks up the rows `indices_N[bag_offsets[t * B + b]:bag_offsets[t * B + b + 1]]` of its table, none or
    many, so `bag_offsets` has T * B + 1 entries from 0 to N, as in TorchRec's KeyedJaggedTensor. All
    indices are int64. The gradient of the tables is dense, as autograd's is. Pairs are in the order of
    `pairwise_dot`, field 0 being the dense vector.

    Embeddings and interaction of DLRM: Naumov et al. 2019, section 2.1, https://arxiv.org/abs/1906.00091
    Operations N D + 2 B P D, then 2 N D + 4 B P D. Elements B (D + P) + L D, then B (2 D + P) + L D + V D,
    where L counts the rows looked up at least once.
    """
    B, D = dense_BD.shape
    T = row_offsets_T.numel()
    lookups_T = bag_offsets.diff().view(T, B).sum(dim=1)
    rows_N = indices_N + torch.repeat_interleave(row_offsets_T, lookups_T, output_size=indices_N.shape[0])
    pooled = embedding_bag(rows_N, tables_VD, bag_offsets, mode="sum", include_last_offset=True)
    fields_FBD = torch.cat((dense_BD.unsqueeze(0), pooled.view(T, B, D)))
    return pairwise_dot(fields_FBD.transpose(0, 1))
