"""Reference operators against loops in float64, and their gradients against finite differences."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recevolve.kernels.reference import (
    dcn_v2_cross,
    dcn_v2_cross_low_rank,
    embedding_bag_dot,
    fm_second_order,
    gated_cross,
    pairwise_dot,
)

SHAPES = pytest.mark.parametrize(("B", "F", "D"), [(1, 2, 1), (3, 5, 4), (7, 11, 8), (0, 4, 2)])


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, dtype=dtype, generator=rng)


@SHAPES
def test_pairwise_dot_equals_its_loop(B: int, F: int, D: int) -> None:
    x_BFD = draw(B, F, D)
    pairs = [(x_BFD[:, i] * x_BFD[:, j]).sum(-1) for i in range(F) for j in range(i + 1, F)]
    torch.testing.assert_close(pairwise_dot(x_BFD), torch.stack(pairs, dim=1))


def test_pairwise_dot_of_one_field_is_empty() -> None:
    assert pairwise_dot(draw(3, 1, 4)).shape == (3, 0)


@SHAPES
def test_fm_second_order_is_the_sum_of_all_pairwise_dots(B: int, F: int, D: int) -> None:
    x_BFD = draw(B, F, D)
    torch.testing.assert_close(fm_second_order(x_BFD), pairwise_dot(x_BFD).sum(dim=1))


@pytest.mark.parametrize(("B", "K"), [(1, 1), (4, 6), (0, 3)])
def test_dcn_v2_cross_equals_its_loop(B: int, K: int) -> None:
    x0_BK, x_BK, weight_KK, bias_K = draw(B, K), draw(B, K) + 1, draw(K, K) + 2, draw(K)
    expected = torch.empty(B, K, dtype=torch.float64)
    for b in range(B):
        for i in range(K):
            inner = sum(weight_KK[i, j] * x_BK[b, j] for j in range(K)) + bias_K[i]
            expected[b, i] = x0_BK[b, i] * inner + x_BK[b, i]
    torch.testing.assert_close(dcn_v2_cross(x0_BK, x_BK, weight_KK, bias_K), expected)


@pytest.mark.parametrize(("B", "K", "R"), [(1, 1, 1), (4, 6, 2), (0, 3, 2), (3, 2, 5)])
def test_a_cross_of_low_rank_is_one_of_the_product_of_its_factors(B: int, K: int, R: int) -> None:
    x0_BK, x_BK, v_RK, u_KR, bias_K = draw(B, K), draw(B, K) + 1, draw(R, K) + 2, draw(K, R), draw(K)
    product_KK = torch.tensor(
        [[float(sum(u_KR[i, r] * v_RK[r, j] for r in range(R))) for j in range(K)] for i in range(K)],
        dtype=torch.float64,
    ).reshape(K, K)
    expected = dcn_v2_cross(x0_BK, x_BK, product_KK, bias_K)
    torch.testing.assert_close(dcn_v2_cross_low_rank(x0_BK, x_BK, v_RK, u_KR, bias_K), expected)


@pytest.mark.parametrize(("B", "K"), [(1, 1), (4, 6), (0, 3)])
def test_gated_cross_equals_its_loop(B: int, K: int) -> None:
    x0_BK, x_BK, value_KK, gate_KK = draw(B, K), draw(B, K) + 1, draw(K, K) + 2, draw(K, K) - 1
    b_K, c_K = draw(K), draw(K) + 1
    expected = torch.empty(B, K, dtype=torch.float64)
    for b in range(B):
        for i in range(K):
            value = float(sum(value_KK[i, j] * x_BK[b, j] for j in range(K)) + b_K[i])
            gate = float(sum(gate_KK[i, j] * x_BK[b, j] for j in range(K)) + c_K[i])
            expected[b, i] = x0_BK[b, i] * value / (1 + math.exp(-gate)) + x_BK[b, i]
    torch.testing.assert_close(gated_cross(x0_BK, x_BK, value_KK, b_K, gate_KK, c_K), expected)


ROW_OFFSETS, INDICES = torch.tensor([0, 4]), torch.tensor([3, 0, 0, 1, 2, 2])
BAGS = torch.tensor([0, 2, 2, 3, 4, 5, 6])
"""Two tables of four and three rows, three rows of a batch; one bag is empty."""


def test_embedding_bag_dot_equals_its_loop() -> None:
    dense_BD, tables_VD = draw(3, 5), draw(7, 5)
    expected = []
    for b in range(3):
        fields = [dense_BD[b]]
        for t in range(2):
            bag = INDICES[BAGS[t * 3 + b] : BAGS[t * 3 + b + 1]].tolist()
            rows = [tables_VD[int(ROW_OFFSETS[t]) + index] for index in bag]
            fields.append(sum(rows, torch.zeros(5, dtype=torch.float64)))
        expected.append(torch.stack([fields[i] @ fields[j] for i, j in ((0, 1), (0, 2), (1, 2))]))
    result = embedding_bag_dot(dense_BD, tables_VD, ROW_OFFSETS, INDICES, BAGS)
    torch.testing.assert_close(result, torch.stack(expected))


def test_embedding_bag_dot_of_no_rows_is_empty() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    result = embedding_bag_dot(draw(0, 5), draw(7, 5), ROW_OFFSETS, none, torch.zeros(1, dtype=torch.int64))
    assert result.shape == (0, 3)


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        (pairwise_dot, (draw(2, 4, 3),)),
        (fm_second_order, (draw(2, 4, 3),)),
        (dcn_v2_cross, (draw(2, 5), draw(2, 5), draw(5, 5), draw(5))),
        (dcn_v2_cross_low_rank, (draw(2, 5), draw(2, 5), draw(3, 5), draw(5, 3), draw(5))),
        (gated_cross, (draw(2, 3), draw(2, 3), draw(3, 3), draw(3), draw(3, 3) + 1, draw(3) - 1)),
        (
            lambda dense, tables: embedding_bag_dot(dense, tables, ROW_OFFSETS, INDICES, BAGS),
            (draw(3, 5), draw(7, 5)),
        ),
    ],
)
def test_gradients_agree_with_finite_differences(
    operator: Callable[..., Tensor], inputs: tuple[Tensor, ...]
) -> None:
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    assert torch.autograd.gradcheck(operator, leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_of_the_input_is_kept(dtype: torch.dtype) -> None:
    x_BFD, x_BK = draw(2, 3, 4, dtype=dtype), draw(2, 3, dtype=dtype)
    weight_KK, bias_K = draw(3, 3, dtype=dtype), draw(3, dtype=dtype)
    results = (pairwise_dot(x_BFD), fm_second_order(x_BFD), dcn_v2_cross(x_BK, x_BK, weight_KK, bias_K))
    assert {result.dtype for result in results} == {dtype}
