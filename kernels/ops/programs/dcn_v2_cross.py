"""Cross layer of full rank (Wang et al. 2020, DCN V2, https://arxiv.org/abs/2008.13535), equation 1.

Forward: one matrix product whose tiles are finished in registers, so that W x never reaches memory.
Backward: a product like it gives the gradient of x0 and, beside it, grad * x0 and the sums of its tiles,
from which two more products give the gradients of x and of the weight, and a short kernel that of the
bias, always in the same order. float32 is multiplied exactly and summed in float32; narrower types use
tensor cores and sum in float32.
"""

import torch
import triton
import triton.language as tl

CONFIG = {
    "BLOCK_M": 128,
    "BLOCK_N": 128,
    "BLOCK_K": 64,
    "num_warps": 8,
    "num_stages": 3,
    "SMALL_M": 64,
    "SMALL_N": 64,
    "SMALL_K": 32,
    "small_warps": 4,
    "small_stages": 3,
    "PROGRAMS": 96,
    "GROUP": 8,
    "SUMS": 64,
    "SUM_ROWS": 64,
}


@triton.jit
def tile(M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, GROUP: tl.constexpr):
    """Rows and columns of this program's tile; neighbours share rows of the left operand and stay in the
    cache."""
    program = tl.program_id(0)
    rows = tl.cdiv(M, BLOCK_M)
    in_group = GROUP * tl.cdiv(N, BLOCK_N)
    first = program // in_group * GROUP
    height = tl.minimum(rows - first, GROUP)
    row = first + program % in_group % height
    column = program % in_group // height
    return row, column


@triton.jit
def span(block, SIZE: tl.constexpr):
    return block.to(tl.int64) * SIZE + tl.arange(0, SIZE)


@triton.jit
def load_tile(p, row, column, M, N, p_row, p_column):
    inside = (row[:, None] < M) & (column[None, :] < N)
    return tl.load(p + row[:, None] * p_row + column[None, :] * p_column, mask=inside, other=0.0)


@triton.jit
def store_tile(p, row, column, M, N, value):
    inside = (row[:, None] < M) & (column[None, :] < N)
    tl.store(p + row[:, None] * N + column[None, :], value, mask=inside)


@triton.jit
def product(
    left_p, right_p, row, column, M, N, K, left_row, left_k, right_k, right_column, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, K, BLOCK_K):
        k = (start + tl.arange(0, BLOCK_K)).to(tl.int64)
        left = load_tile(left_p, row, k, M, K, left_row, left_k)
        right = load_tile(right_p, k, column, K, N, right_k, right_column)
        total = tl.dot(left, right, total, input_precision="ieee")
    return total


@triton.jit
def cross(
    x0_p, x_p, weight_p, bias_p, out_p, B, K, x0_b, x0_k, x_b, x_k, weight_o, weight_i, bias_k,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    inner = product(
        x_p, weight_p, row, column, B, K, K, x_b, x_k, weight_i, weight_o, BLOCK_M, BLOCK_N, BLOCK_K
    )
    bias = tl.load(bias_p + column * bias_k, mask=column < K, other=0.0).to(tl.float32)
    x0 = load_tile(x0_p, row, column, B, K, x0_b, x0_k).to(tl.float32)
    x = load_tile(x_p, row, column, B, K, x_b, x_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, x0 * (inner + bias[None, :]) + x)


@triton.jit
def grad_of_x0(
    grad_p, x0_p, x_p, weight_p, bias_p, out_p, inner_p, sums_p, B, K, grad_b, grad_k, x0_b, x0_k, x_b, x_k,
    weight_o, weight_i, bias_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    inner = product(
        x_p, weight_p, row, column, B, K, K, x_b, x_k, weight_i, weight_o, BLOCK_M, BLOCK_N, BLOCK_K
    )
    bias = tl.load(bias_p + column * bias_k, mask=column < K, other=0.0).to(tl.float32)
    grad = load_tile(grad_p, row, column, B, K, grad_b, grad_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, grad * (inner + bias[None, :]))
    through = grad * load_tile(x0_p, row, column, B, K, x0_b, x0_k).to(tl.float32)
    store_tile(inner_p, row, column, B, K, through)
    tl.store(sums_p + across.to(tl.int64) * K + column, tl.sum(through, axis=0), mask=column < K)


@triton.jit
def grad_of_x(
    grad_p, inner_p, weight_p, out_p, B, K, grad_b, grad_k, weight_o, weight_i, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    total = product(
        inner_p, weight_p, row, column, B, K, K, K, 1, weight_o, weight_i, BLOCK_M, BLOCK_N, BLOCK_K
    )
    grad = load_tile(grad_p, row, column, B, K, grad_b, grad_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, grad + total)


@triton.jit
def grad_of_weight(
    inner_p, x_p, out_p, B, K, x_b, x_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
):
    across, down = tile(K, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    total = product(inner_p, x_p, row, column, K, K, B, 1, K, x_b, x_k, BLOCK_M, BLOCK_N, BLOCK_K)
    store_tile(out_p, row, column, K, K, total)


@triton.jit
def sum_of_rows(sums_p, out_p, rows, K, BLOCK_R: tl.constexpr, BLOCK_K: tl.constexpr):
    column = tl.program_id(0) * BLOCK_K + tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_K,), dtype=tl.float32)
    for start in range(0, rows, BLOCK_R):
        row = (start + tl.arange(0, BLOCK_R)).to(tl.int64)
        total += tl.sum(load_tile(sums_p, row, column, rows, K, K, 1), axis=0)
    tl.store(out_p + column, total, mask=column < K)


def large(x, rows, columns):
    """Whether large tiles suit: tensor cores, rows that load 16 bytes at a time, and enough tiles for the
    device."""
    if x.element_size() == 4:
        return False
    if x.shape[1] % 8 != 0:
        return False
    return (
        triton.cdiv(rows, CONFIG["BLOCK_M"]) * triton.cdiv(columns, CONFIG["BLOCK_N"]) >= CONFIG["PROGRAMS"]
    )


def choose(big, large_value, small_value):
    if big:
        return large_value
    return small_value


def tiles(big, rows, columns):
    high = triton.cdiv(rows, choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]))
    return high * triton.cdiv(columns, choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]))


def forward(x0, x, weight, bias):
    B, K = x.shape
    out = torch.empty((B, K), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        big = large(x, B, K)
        cross[(tiles(big, B, K),)](
            x0, x, weight, bias, out, B, K, x0.stride(0), x0.stride(1), x.stride(0), x.stride(1),
            weight.stride(0), weight.stride(1), bias.stride(0),
            BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
    return out


def backward(grad, x0, x, weight, bias):
    B, K = x.shape
    grad_x0 = torch.empty((B, K), dtype=x.dtype, device=x.device)
    grad_x = torch.empty((B, K), dtype=x.dtype, device=x.device)
    grad_weight = torch.empty((K, K), dtype=x.dtype, device=x.device)
    grad_bias = torch.empty((K,), dtype=x.dtype, device=x.device)
    inner = torch.empty((B, K), dtype=x.dtype, device=x.device)
    big = large(x, B, K)
    rows = triton.cdiv(B, choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]))
    sums = torch.empty((rows, K), dtype=torch.float32, device=x.device)
    if grad_x.numel() > 0:
        grad_of_x0[(tiles(big, B, K),)](
            grad, x0, x, weight, bias, grad_x0, inner, sums, B, K, grad.stride(0), grad.stride(1),
            x0.stride(0), x0.stride(1), x.stride(0), x.stride(1), weight.stride(0), weight.stride(1),
            bias.stride(0), BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
        grad_of_x[(tiles(big, B, K),)](
            grad, inner, weight, grad_x, B, K, grad.stride(0), grad.stride(1), weight.stride(0),
            weight.stride(1), BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
    if K > 0:
        big = large(x, K, K)
        grad_of_weight[(tiles(big, K, K),)](
            inner, x, grad_weight, B, K, x.stride(0), x.stride(1),
            BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
        sum_of_rows[(triton.cdiv(K, CONFIG["SUMS"]),)](
            sums, grad_bias, rows, K, BLOCK_R=CONFIG["SUM_ROWS"], BLOCK_K=CONFIG["SUMS"], num_warps=4,
            num_stages=1,
        )
    return grad_x0, grad_x, grad_weight, grad_bias
