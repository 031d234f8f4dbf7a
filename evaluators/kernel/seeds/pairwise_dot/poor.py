"""Pairwise dot products, written badly on purpose: products of whole tiles summed without matrix units, which
spill, and reads of a few neighbours at a time.

The operator is the interaction of DLRM, Naumov et al. 2019, https://arxiv.org/abs/1906.00091, section 2.1.3.
"""

import torch
import triton
import triton.language as tl

CONFIG = {"BLOCK_D": 8, "num_warps": 1, "num_stages": 1}


@triton.jit
def gram_of_row(x, out, F, D, x_row, x_field, x_dim, out_row, FIELDS: tl.constexpr, BLOCK_D: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FIELDS)
    gram = tl.zeros((FIELDS, FIELDS), tl.float32)
    for start in range(0, D, BLOCK_D):
        d = start + tl.arange(0, BLOCK_D)
        place = f[None, :] * x_field + d[:, None] * x_dim
        tile = tl.load(x + row * x_row + place, mask=(f[None, :] < F) & (d[:, None] < D), other=0.0)
        wide = tile.to(tl.float32)
        gram += tl.sum(wide[:, :, None] * wide[:, None, :], axis=0)
    i = f[:, None]
    j = f[None, :]
    pair = i * F - i * (i + 1) // 2 + j - i - 1
    tl.store(out + row * out_row + pair, gram.to(out.dtype.element_ty), mask=(i < j) & (j < F))


@triton.jit
def grad_of_row(
    grad, x, dx, F, D, g_row, g_pair, x_row, x_field, x_dim, dx_row, dx_field,
    FIELDS: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FIELDS)
    i = f[:, None]
    j = f[None, :]
    above = i * F - i * (i + 1) // 2 + j - i - 1
    below = j * F - j * (j + 1) // 2 + i - j - 1
    upper = tl.load(grad + row * g_row + above * g_pair, mask=(i < j) & (j < F), other=0.0)
    lower = tl.load(grad + row * g_row + below * g_pair, mask=(j < i) & (i < F), other=0.0)
    weight = upper.to(tl.float32) + lower.to(tl.float32)
    for start in range(0, D, BLOCK_D):
        d = start + tl.arange(0, BLOCK_D)
        place = f[None, :] * x_field + d[:, None] * x_dim
        tile = tl.load(x + row * x_row + place, mask=(f[None, :] < F) & (d[:, None] < D), other=0.0)
        wide = tile.to(tl.float32)
        back = tl.sum(wide[:, :, None] * weight[None, :, :], axis=1)
        into = dx + row * dx_row + f[None, :] * dx_field + d[:, None]
        tl.store(into, back.to(dx.dtype.element_ty), mask=(f[None, :] < F) & (d[:, None] < D))


def forward(x):
    B = x.shape[0]
    F = x.shape[1]
    D = x.shape[2]
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if B > 0 and F > 1:
        gram_of_row[(B,)](
            x, out, F, D, x.stride(0), x.stride(1), x.stride(2), out.stride(0),
            FIELDS=triton.next_power_of_2(F), BLOCK_D=CONFIG["BLOCK_D"],
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return out


def backward(grad, x):
    B = x.shape[0]
    F = x.shape[1]
    D = x.shape[2]
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if B > 0 and F > 0:
        grad_of_row[(B,)](
            grad, x, dx, F, D, grad.stride(0), grad.stride(1), x.stride(0), x.stride(1), x.stride(2),
            dx.stride(0), dx.stride(1), FIELDS=triton.next_power_of_2(F), BLOCK_D=CONFIG["BLOCK_D"],
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return (dx,)
