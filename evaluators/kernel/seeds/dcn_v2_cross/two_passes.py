"""Cross layer of full rank as a matrix product and a pass over its result, forward and backward.

Wang et al. 2020, DCN V2, equation 1 (arXiv:2008.13535), split as frameworks without fusion compute it.
"""

import torch
import triton
import triton.language as tl

CONFIG = {
    "BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_K": 32, "BLOCK": 512, "ROWS": 128, "num_warps": 4, "num_stages": 3,
}


@triton.jit
def product(
    left_ptr, right_ptr, out_ptr, M, N, K, left_m, left_k, right_k, right_n, out_m,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    m = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    n = tl.program_id(1).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for start in range(0, K, BLOCK_K):
        k = (start + tl.arange(0, BLOCK_K)).to(tl.int64)
        left = tl.load(
            left_ptr + m[:, None] * left_m + k[None, :] * left_k,
            mask=(m[:, None] < M) & (k[None, :] < K),
            other=0.0,
        )
        right = tl.load(
            right_ptr + k[:, None] * right_k + n[None, :] * right_n,
            mask=(k[:, None] < K) & (n[None, :] < N),
            other=0.0,
        )
        total = tl.dot(left, right, total, input_precision="ieee")
    tl.store(out_ptr + m[:, None] * out_m + n[None, :], total, mask=(m[:, None] < M) & (n[None, :] < N))


@triton.jit
def combine(
    inner_ptr, x0_ptr, x_ptr, bias_ptr, out_ptr, B, K, x0_row, x0_step, x_row, x_step, bias_step,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = k < K
    inner = tl.load(inner_ptr + row * K + k, mask=inside, other=0.0)
    bias = tl.load(bias_ptr + k * bias_step, mask=inside, other=0.0).to(tl.float32)
    x0 = tl.load(x0_ptr + row * x0_row + k * x0_step, mask=inside, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + row * x_row + k * x_step, mask=inside, other=0.0).to(tl.float32)
    tl.store(out_ptr + row * K + k, x0 * (inner + bias) + x, mask=inside)


@triton.jit
def grads_of_rows(
    inner_ptr, grad_ptr, x0_ptr, bias_ptr, dx0_ptr, through_ptr, K,
    grad_row, grad_step, x0_row, x0_step, bias_step, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = k < K
    inner = tl.load(inner_ptr + row * K + k, mask=inside, other=0.0)
    bias = tl.load(bias_ptr + k * bias_step, mask=inside, other=0.0).to(tl.float32)
    grad = tl.load(grad_ptr + row * grad_row + k * grad_step, mask=inside, other=0.0).to(tl.float32)
    x0 = tl.load(x0_ptr + row * x0_row + k * x0_step, mask=inside, other=0.0).to(tl.float32)
    tl.store(dx0_ptr + row * K + k, grad * (inner + bias), mask=inside)
    tl.store(through_ptr + row * K + k, grad * x0, mask=inside)


@triton.jit
def add_grad(grad_ptr, inner_ptr, dx_ptr, K, grad_row, grad_step, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = k < K
    grad = tl.load(grad_ptr + row * grad_row + k * grad_step, mask=inside, other=0.0).to(tl.float32)
    inner = tl.load(inner_ptr + row * K + k, mask=inside, other=0.0)
    tl.store(dx_ptr + row * K + k, grad + inner, mask=inside)


@triton.jit
def sum_rows(through_ptr, dbias_ptr, B, K, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    k = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for start in range(0, B, ROWS):
        row = (start + tl.arange(0, ROWS)).to(tl.int64)
        inside = (row[:, None] < B) & (k[None, :] < K)
        through = tl.load(through_ptr + row[:, None] * K + k[None, :], mask=inside, other=0.0)
        total += tl.sum(through.to(tl.float32), axis=0)
    tl.store(dbias_ptr + k, total, mask=k < K)


def tiles(M, N):
    return (triton.cdiv(M, CONFIG["BLOCK_M"]), triton.cdiv(N, CONFIG["BLOCK_N"]))


def inner_of(x, weight):
    B, K = x.shape
    inner = torch.empty((B, K), dtype=torch.float32, device=x.device)
    product[tiles(B, K)](
        x, weight, inner, B, K, K, x.stride(0), x.stride(1), weight.stride(1), weight.stride(0), K,
        BLOCK_M=CONFIG["BLOCK_M"], BLOCK_N=CONFIG["BLOCK_N"], BLOCK_K=CONFIG["BLOCK_K"],
        num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
    )  # fmt: skip
    return inner


def forward(x0, x, weight, bias):
    B, K = x.shape
    out = torch.empty((B, K), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        inner = inner_of(x, weight)
        combine[(B, triton.cdiv(K, CONFIG["BLOCK"]))](
            inner, x0, x, bias, out, B, K, x0.stride(0), x0.stride(1), x.stride(0), x.stride(1),
            bias.stride(0), BLOCK=CONFIG["BLOCK"],
        )  # fmt: skip
    return out


def backward(grad, x0, x, weight, bias):
    B, K = x.shape
    dx0 = torch.empty((B, K), dtype=x.dtype, device=x.device)
    dx = torch.empty((B, K), dtype=x.dtype, device=x.device)
    dweight = torch.empty((K, K), dtype=x.dtype, device=x.device)
    dbias = torch.empty((K,), dtype=x.dtype, device=x.device)
    through = torch.empty((B, K), dtype=x.dtype, device=x.device)
    if dx.numel() > 0:
        inner = inner_of(x, weight)
        grads_of_rows[(B, triton.cdiv(K, CONFIG["BLOCK"]))](
            inner, grad, x0, bias, dx0, through, K, grad.stride(0), grad.stride(1),
            x0.stride(0), x0.stride(1), bias.stride(0), BLOCK=CONFIG["BLOCK"],
        )  # fmt: skip
        back = torch.empty((B, K), dtype=torch.float32, device=x.device)
        product[tiles(B, K)](
            through, weight, back, B, K, K, K, 1, weight.stride(0), weight.stride(1), K,
            BLOCK_M=CONFIG["BLOCK_M"], BLOCK_N=CONFIG["BLOCK_N"], BLOCK_K=CONFIG["BLOCK_K"],
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
        add_grad[(B, triton.cdiv(K, CONFIG["BLOCK"]))](
            grad, back, dx, K, grad.stride(0), grad.stride(1), BLOCK=CONFIG["BLOCK"],
        )  # fmt: skip
    if K > 0:
        product[tiles(K, K)](
            through, x, dweight, K, K, B, 1, K, x.stride(0), x.stride(1), K,
            BLOCK_M=CONFIG["BLOCK_M"], BLOCK_N=CONFIG["BLOCK_N"], BLOCK_K=CONFIG["BLOCK_K"],
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
        sum_rows[(triton.cdiv(K, 32),)](through, dbias, B, K, ROWS=CONFIG["ROWS"], BLOCK=32)
    return dx0, dx, dweight, dbias
