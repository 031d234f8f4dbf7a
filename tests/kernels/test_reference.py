"""Reference operators against loops in float64, and their gradients against finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recevolve.kernels.reference import dcn_v2_cross, fm_second_order, pairwise_dot

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


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        (pairwise_dot, (draw(2, 4, 3),)),
        (fm_second_order, (draw(2, 4, 3),)),
        (dcn_v2_cross, (draw(2, 5), draw(2, 5), draw(5, 5), draw(5))),
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
