"""Gated cross layer, x0 * (V x + b) * sigmoid(G x + c) + x (Wang et al. 2023, GDCN,
https://arxiv.org/abs/2311.04635; after a launch reported by Wang et al. 2026,
https://arxiv.org/abs/2602.10226).

Forward: both paths share each loaded tile of x and are finished in registers. Backward: the same
computation gives the gradient of x0 and, beside it, the gradients that enter the two paths and the sums of
their tiles; from these come the gradient of x in one kernel with two products, that of each weight in one,
and those of the biases, always in the same order. float32 is multiplied exactly and summed in float32;
narrower types use tensor cores and sum in float32.
"""

import torch
import triton
import triton.language as tl

CONFIG = {
    "BLOCK_M": 128,
    "BLOCK_N": 128,
    "BLOCK_K": 64,
    "num_warps": 16,
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
    left_p, right_p, total, row, column, M, N, K, left_row, left_k, right_k, right_column,
    BLOCK_K: tl.constexpr,
):
    """`total` and the product of both matrices at these rows and columns."""
    for start in range(0, K, BLOCK_K):
        k = (start + tl.arange(0, BLOCK_K)).to(tl.int64)
        left = load_tile(left_p, row, k, M, K, left_row, left_k)
        right = load_tile(right_p, k, column, K, N, right_k, right_column)
        total = tl.dot(left, right, total, input_precision="ieee")
    return total


@triton.jit
def both_paths(
    x_p, value_p, value_bias_p, gate_p, gate_bias_p, row, column, B, K, x_b, x_k, value_o, value_i,
    value_bias_k, gate_o, gate_i, gate_bias_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """V x + b and sigmoid(G x + c); a tile of x is loaded once for both products."""
    value = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    gate = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, K, BLOCK_K):
        k = (start + tl.arange(0, BLOCK_K)).to(tl.int64)
        x = load_tile(x_p, row, k, B, K, x_b, x_k)
        value_weight = load_tile(value_p, k, column, K, K, value_i, value_o)
        value = tl.dot(x, value_weight, value, input_precision="ieee")
        gate_weight = load_tile(gate_p, k, column, K, K, gate_i, gate_o)
        gate = tl.dot(x, gate_weight, gate, input_precision="ieee")
    value_bias = tl.load(value_bias_p + column * value_bias_k, mask=column < K, other=0.0).to(tl.float32)
    gate_bias = tl.load(gate_bias_p + column * gate_bias_k, mask=column < K, other=0.0).to(tl.float32)
    return value + value_bias[None, :], tl.sigmoid(gate + gate_bias[None, :])


@triton.jit
def cross(
    x0_p, x_p, value_p, value_bias_p, gate_p, gate_bias_p, out_p, B, K, x0_b, x0_k, x_b, x_k, value_o,
    value_i, value_bias_k, gate_o, gate_i, gate_bias_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    value, gate = both_paths(
        x_p, value_p, value_bias_p, gate_p, gate_bias_p, row, column, B, K, x_b, x_k, value_o, value_i,
        value_bias_k, gate_o, gate_i, gate_bias_k, BLOCK_M, BLOCK_N, BLOCK_K,
    )
    x0 = load_tile(x0_p, row, column, B, K, x0_b, x0_k).to(tl.float32)
    x = load_tile(x_p, row, column, B, K, x_b, x_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, x0 * value * gate + x)


@triton.jit
def grad_of_x0(
    grad_p, x0_p, x_p, value_p, value_bias_p, gate_p, gate_bias_p, out_p, value_path_p, gate_path_p,
    value_sums_p, gate_sums_p, B, K, grad_b, grad_k, x0_b, x0_k, x_b, x_k, value_o, value_i, value_bias_k,
    gate_o, gate_i, gate_bias_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    value, gate = both_paths(
        x_p, value_p, value_bias_p, gate_p, gate_bias_p, row, column, B, K, x_b, x_k, value_o, value_i,
        value_bias_k, gate_o, gate_i, gate_bias_k, BLOCK_M, BLOCK_N, BLOCK_K,
    )
    grad = load_tile(grad_p, row, column, B, K, grad_b, grad_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, grad * value * gate)
    x0 = load_tile(x0_p, row, column, B, K, x0_b, x0_k).to(tl.float32)
    value_path = grad * x0 * gate
    store_tile(value_path_p, row, column, B, K, value_path)
    sums = across.to(tl.int64) * K + column
    tl.store(value_sums_p + sums, tl.sum(value_path, axis=0), mask=column < K)
    gate_path = value_path * value * (1.0 - gate)
    store_tile(gate_path_p, row, column, B, K, gate_path)
    tl.store(gate_sums_p + sums, tl.sum(gate_path, axis=0), mask=column < K)


@triton.jit
def grad_of_x(
    grad_p, value_path_p, gate_path_p, value_p, gate_p, out_p, B, K, grad_b, grad_k, value_o, value_i, gate_o,
    gate_i, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr,
):
    across, down = tile(B, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    total = product(value_path_p, value_p, total, row, column, B, K, K, K, 1, value_o, value_i, BLOCK_K)
    total = product(gate_path_p, gate_p, total, row, column, B, K, K, K, 1, gate_o, gate_i, BLOCK_K)
    grad = load_tile(grad_p, row, column, B, K, grad_b, grad_k).to(tl.float32)
    store_tile(out_p, row, column, B, K, grad + total)


@triton.jit
def grad_of_weight(
    path_p, x_p, out_p, B, K, x_b, x_k, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
):
    across, down = tile(K, K, BLOCK_M, BLOCK_N, GROUP)
    row = span(across, BLOCK_M)
    column = span(down, BLOCK_N)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    total = product(path_p, x_p, total, row, column, K, K, B, 1, K, x_b, x_k, BLOCK_K)
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


def grad_of_path(path, x):
    """(K, K), the gradient of a path's weight, from `path` (B, K), that of what the path computes."""
    B, K = x.shape
    out = torch.empty((K, K), dtype=x.dtype, device=x.device)
    if K > 0:
        big = large(x, K, K)
        grad_of_weight[(tiles(big, K, K),)](
            path, x, out, B, K, x.stride(0), x.stride(1),
            BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
    return out


def grad_of_bias(sums, x):
    rows, K = sums.shape
    out = torch.empty((K,), dtype=x.dtype, device=x.device)
    if K > 0:
        sum_of_rows[(triton.cdiv(K, CONFIG["SUMS"]),)](
            sums, out, rows, K, BLOCK_R=CONFIG["SUM_ROWS"], BLOCK_K=CONFIG["SUMS"], num_warps=4, num_stages=1
        )
    return out


def forward(x0, x, value, value_bias, gate, gate_bias):
    B, K = x.shape
    out = torch.empty((B, K), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        big = large(x, B, K)
        cross[(tiles(big, B, K),)](
            x0, x, value, value_bias, gate, gate_bias, out, B, K, x0.stride(0), x0.stride(1), x.stride(0),
            x.stride(1), value.stride(0), value.stride(1), value_bias.stride(0), gate.stride(0),
            gate.stride(1), gate_bias.stride(0), BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
    return out


def backward(grad, x0, x, value, value_bias, gate, gate_bias):
    B, K = x.shape
    grad_x0 = torch.empty((B, K), dtype=x.dtype, device=x.device)
    grad_x = torch.empty((B, K), dtype=x.dtype, device=x.device)
    value_path = torch.empty((B, K), dtype=x.dtype, device=x.device)
    gate_path = torch.empty((B, K), dtype=x.dtype, device=x.device)
    rows = triton.cdiv(B, choose(large(x, B, K), CONFIG["BLOCK_M"], CONFIG["SMALL_M"]))
    value_sums = torch.empty((rows, K), dtype=torch.float32, device=x.device)
    gate_sums = torch.empty((rows, K), dtype=torch.float32, device=x.device)
    if grad_x.numel() > 0:
        big = large(x, B, K)
        grad_of_x0[(tiles(big, B, K),)](
            grad, x0, x, value, value_bias, gate, gate_bias, grad_x0, value_path, gate_path, value_sums,
            gate_sums, B, K, grad.stride(0), grad.stride(1), x0.stride(0), x0.stride(1), x.stride(0),
            x.stride(1), value.stride(0), value.stride(1), value_bias.stride(0), gate.stride(0),
            gate.stride(1), gate_bias.stride(0), BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
        grad_of_x[(tiles(big, B, K),)](
            grad, value_path, gate_path, value, gate, grad_x, B, K, grad.stride(0), grad.stride(1),
            value.stride(0), value.stride(1), gate.stride(0), gate.stride(1),
            BLOCK_M=choose(big, CONFIG["BLOCK_M"], CONFIG["SMALL_M"]),
            BLOCK_N=choose(big, CONFIG["BLOCK_N"], CONFIG["SMALL_N"]),
            BLOCK_K=choose(big, CONFIG["BLOCK_K"], CONFIG["SMALL_K"] * 2 // x.element_size()),
            GROUP=CONFIG["GROUP"],
            num_warps=choose(big, CONFIG["num_warps"], CONFIG["small_warps"]),
            num_stages=choose(big, CONFIG["num_stages"], CONFIG["small_stages"]),
        )
    grad_value = grad_of_path(value_path, x)
    grad_gate = grad_of_path(gate_path, x)
    grad_value_bias = grad_of_bias(value_sums, x)
    grad_gate_bias = grad_of_bias(gate_sums, x)
    return grad_x0, grad_x, grad_value, grad_value_bias, grad_gate, grad_gate_bias
