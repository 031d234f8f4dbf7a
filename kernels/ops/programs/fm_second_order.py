"""Factorisation machine (Rendle 2010, Factorization Machines, ICDM), second-order term.

Forward: one pass over the fields with a running sum, since the sum of the products of every two fields is
the sum of each field times the sum of those before it. Nothing cancels, unlike in half of (sum)^2 - sum of
squares. Backward: the gradient of a field is the sum of all others, so one pass sums and a second, which
finds the rows in the cache, subtracts.
"""

import torch
import triton
import triton.language as tl

CONFIG = {"ELEMENTS": 1024, "UNROLL": 8, "num_warps": 4, "num_stages": 1}


@triton.jit
def sum_of_products(
    x_p, out_p, B, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr, BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr, UNROLL: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    d = tl.arange(0, BLOCK_D).to(tl.int64)
    inside = (b[:, None] < B) & (d[None, :] < D)
    field = x_p + b[:, None] * x_b + d[None, :] * x_d
    total = tl.zeros((BLOCK_B, BLOCK_D), dtype=tl.float32)
    products = tl.zeros((BLOCK_B, BLOCK_D), dtype=tl.float32)
    for _ in tl.range(0, F, loop_unroll_factor=UNROLL):
        x = tl.load(field, mask=inside, other=0.0).to(tl.float32)
        products += x * total
        total += x
        field += x_f
    products += total - total  # an infinity spoils the row, as in the definition
    tl.store(out_p + b, tl.sum(products, axis=1), mask=b < B)


@triton.jit
def sum_of_others(
    grad_p, x_p, out_p, B, grad_b, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr, BLOCK_B: tl.constexpr,
    BLOCK_D: tl.constexpr, UNROLL: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    d = tl.arange(0, BLOCK_D).to(tl.int64)
    inside = (b[:, None] < B) & (d[None, :] < D)
    first = x_p + b[:, None] * x_b + d[None, :] * x_d
    field = first
    total = tl.zeros((BLOCK_B, BLOCK_D), dtype=tl.float32)
    for _ in tl.range(0, F, loop_unroll_factor=UNROLL):
        total += tl.load(field, mask=inside, other=0.0).to(tl.float32)
        field += x_f
    grad = tl.load(grad_p + b * grad_b, mask=b < B, other=0.0).to(tl.float32)
    field = first
    out = out_p + b[:, None] * (F * D) + d[None, :]
    for _ in tl.range(0, F, loop_unroll_factor=UNROLL):
        x = tl.load(field, mask=inside, other=0.0).to(tl.float32)
        tl.store(out, grad[:, None] * (total - x), mask=inside)
        field += x_f
        out += D


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B,), dtype=x.dtype, device=x.device)
    if B > 0:
        BLOCK_D = triton.next_power_of_2(D)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // BLOCK_D)
        sum_of_products[(triton.cdiv(B, BLOCK_B),)](
            x, out, B, x.stride(0), x.stride(1), x.stride(2), F=F, D=D, BLOCK_B=BLOCK_B, BLOCK_D=BLOCK_D,
            UNROLL=CONFIG["UNROLL"], num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )
    return out


def backward(grad, x):
    B, F, D = x.shape
    out = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if B > 0:
        BLOCK_D = triton.next_power_of_2(D)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // BLOCK_D)
        sum_of_others[(triton.cdiv(B, BLOCK_B),)](
            grad, x, out, B, grad.stride(0), x.stride(0), x.stride(1), x.stride(2), F=F, D=D, BLOCK_B=BLOCK_B,
            BLOCK_D=BLOCK_D, UNROLL=CONFIG["UNROLL"], num_warps=CONFIG["num_warps"],
            num_stages=CONFIG["num_stages"],
        )
    return (out,)
