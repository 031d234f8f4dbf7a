"""Pairwise dot interaction (Naumov et al. 2019, DLRM, https://arxiv.org/abs/1906.00091), section 2.1.3.

Forward: each program holds the fields of a few rows, multiplies them with their own transpose, and stores
the part above the diagonal alone. Backward: it spreads the gradient to a symmetric matrix with a zero
diagonal, times the fields. More than BLOCK_F fields are worked off in square blocks. The dot products of
float32 are exact products summed in float32; narrower types use tensor cores and sum in float32.
"""

import torch
import triton
import triton.language as tl

CONFIG = {
    "BLOCK_F": 64,
    "BLOCK_D": 128,
    "BLOCK_D_WIDE": 32,
    "ELEMENTS": 2048,
    "num_warps": 2,
    "num_warps_wide": 4,
    "num_stages": 1,
}


@triton.jit
def load_fields(x_p, b, f, d, B, F, D, x_b, x_f, x_d):
    inside = (b[:, None, None] < B) & (f[None, :, None] < F) & (d[None, None, :] < D)
    far = f[None, :, None].to(tl.int64) * x_f + d[None, None, :].to(tl.int64) * x_d
    return tl.load(x_p + b[:, None, None] * x_b + far, mask=inside, other=0.0)


@triton.jit
def pair(i, j, F):
    low = tl.minimum(i, j)
    high = tl.maximum(i, j)
    return low * (2 * F - low - 1) // 2 + high - low - 1


@triton.jit
def dots(
    x_p, out_p, B, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr, BLOCK_B: tl.constexpr,
    BLOCK_F: tl.constexpr, BLOCK_D: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    i = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    j = tl.program_id(2) * BLOCK_F + tl.arange(0, BLOCK_F)
    if tl.program_id(1) <= tl.program_id(2):
        gram = tl.zeros((BLOCK_B, BLOCK_F, BLOCK_F), dtype=tl.float32)
        for start in range(0, D, BLOCK_D):
            d = start + tl.arange(0, BLOCK_D)
            left = load_fields(x_p, b, i, d, B, F, D, x_b, x_f, x_d)
            if F <= BLOCK_F:
                right = left
            else:
                right = load_fields(x_p, b, j, d, B, F, D, x_b, x_f, x_d)
            gram = tl.dot(left, tl.trans(right, 0, 2, 1), gram, input_precision="ieee")
        at = b[:, None, None] * (F * (F - 1) // 2) + pair(i[:, None], j[None, :], F)[None, :, :]
        above = (i[:, None] < j[None, :]) & (j[None, :] < F)
        tl.store(out_p + at, gram, mask=(b[:, None, None] < B) & above[None, :, :])


@triton.jit
def load_symmetric(grad_p, b, i, j, B, F, grad_b, grad_pair):
    inside = (i[:, None] != j[None, :]) & (i[:, None] < F) & (j[None, :] < F)
    far = pair(i[:, None], j[None, :], F).to(tl.int64) * grad_pair
    return tl.load(
        grad_p + b[:, None, None] * grad_b + far[None, :, :],
        mask=(b[:, None, None] < B) & inside[None, :, :], other=0.0,
    )


@triton.jit
def spread(
    grad_p, x_p, out_p, B, grad_b, grad_pair, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr,
    BLOCK_B: tl.constexpr, BLOCK_F: tl.constexpr, BLOCK_D: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    i = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    if F <= BLOCK_F:
        weights = load_symmetric(grad_p, b, i, i, B, F, grad_b, grad_pair)
    for start in range(0, D, BLOCK_D):
        d = start + tl.arange(0, BLOCK_D)
        if F <= BLOCK_F:
            x = load_fields(x_p, b, i, d, B, F, D, x_b, x_f, x_d)
            total = tl.dot(weights, x, input_precision="ieee")
        else:
            total = tl.zeros((BLOCK_B, BLOCK_F, BLOCK_D), dtype=tl.float32)
            for first in range(0, F, BLOCK_F):
                j = first + tl.arange(0, BLOCK_F)
                some = load_symmetric(grad_p, b, i, j, B, F, grad_b, grad_pair)
                x = load_fields(x_p, b, j, d, B, F, D, x_b, x_f, x_d)
                total = tl.dot(some, x, total, input_precision="ieee")
        inside = (b[:, None, None] < B) & (i[None, :, None] < F) & (d[None, None, :] < D)
        at = b[:, None, None] * (F * D) + i[None, :, None] * D + d[None, None, :]
        tl.store(out_p + at, total, mask=inside)


def block_of_fields(F):
    return min(CONFIG["BLOCK_F"], max(16, triton.next_power_of_2(F)))


def block_of_width(x):
    if x.element_size() == 4:
        widest = CONFIG["BLOCK_D_WIDE"]
    else:
        widest = CONFIG["BLOCK_D"]
    return min(widest, max(16, triton.next_power_of_2(x.shape[2])))


def warps(x):
    if x.element_size() == 4:
        return CONFIG["num_warps_wide"]
    return CONFIG["num_warps"]


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        BLOCK_F = block_of_fields(F)
        BLOCK_D = block_of_width(x)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // (BLOCK_F * BLOCK_D))
        dots[(triton.cdiv(B, BLOCK_B), triton.cdiv(F, BLOCK_F), triton.cdiv(F, BLOCK_F))](
            x, out, B, x.stride(0), x.stride(1), x.stride(2), F=F, D=D, BLOCK_B=BLOCK_B, BLOCK_F=BLOCK_F,
            BLOCK_D=BLOCK_D, num_warps=warps(x), num_stages=CONFIG["num_stages"],
        )
    return out


def backward(grad, x):
    B, F, D = x.shape
    out = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        BLOCK_F = block_of_fields(F)
        BLOCK_D = block_of_width(x)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // (BLOCK_F * BLOCK_D))
        spread[(triton.cdiv(B, BLOCK_B), triton.cdiv(F, BLOCK_F))](
            grad, x, out, B, grad.stride(0), grad.stride(1), x.stride(0), x.stride(1), x.stride(2), F=F, D=D,
            BLOCK_B=BLOCK_B, BLOCK_F=BLOCK_F, BLOCK_D=BLOCK_D, num_warps=warps(x),
            num_stages=CONFIG["num_stages"],
        )
    return (out,)
