"""Pairwise dot products, written badly on purpose: one warp holds more rows than its registers do, products
of whole tiles are summed without matrix units, and neighbours in a tile are far apart in memory.

The operator is the interaction of DLRM, Naumov et al. 2019, https://arxiv.org/abs/1906.00091, section 2.1.3.
"""

import torch
import triton
import triton.language as tl

CONFIG = {"BLOCK_B": 2, "BLOCK_D": 4, "num_warps": 1, "num_stages": 1}


@triton.jit
def gram_of_rows(
    x, out, B, F, D, x_row, x_field, x_dim, out_row,
    FIELDS: tl.constexpr, BLOCK_B: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    f = tl.arange(0, FIELDS)
    gram = tl.zeros((BLOCK_B, FIELDS, FIELDS), tl.float32)
    steps = tl.cdiv(D, BLOCK_D)
    for start in range(0, steps):
        d = start + tl.arange(0, BLOCK_D) * steps
        place = row[:, None, None] * x_row + f[None, :, None] * x_field + d[None, None, :] * x_dim
        inside = (row[:, None, None] < B) & (f[None, :, None] < F) & (d[None, None, :] < D)
        wide = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        gram += tl.sum(wide[:, :, None, :] * wide[:, None, :, :], axis=3)
    i = f[:, None]
    j = f[None, :]
    pair = i * F - i * (i + 1) // 2 + j - i - 1
    above = (i < j) & (j < F)
    tl.store(
        out + row[:, None, None] * out_row + pair[None, :, :],
        gram.to(out.dtype.element_ty),
        mask=(row[:, None, None] < B) & above[None, :, :],
    )


@triton.jit
def grad_of_rows(
    grad, x, dx, B, F, D, g_row, g_pair, x_row, x_field, x_dim, dx_row, dx_field,
    FIELDS: tl.constexpr, BLOCK_B: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    f = tl.arange(0, FIELDS)
    i = f[:, None]
    j = f[None, :]
    low = tl.minimum(i, j)
    high = tl.maximum(i, j)
    pair = low * F - low * (low + 1) // 2 + high - low - 1
    both = (i != j) & (i < F) & (j < F)
    weight = tl.load(
        grad + row[:, None, None] * g_row + (pair * g_pair)[None, :, :],
        mask=(row[:, None, None] < B) & both[None, :, :],
        other=0.0,
    ).to(tl.float32)
    steps = tl.cdiv(D, BLOCK_D)
    for start in range(0, steps):
        d = start + tl.arange(0, BLOCK_D) * steps
        place = row[:, None, None] * x_row + f[None, :, None] * x_field + d[None, None, :] * x_dim
        inside = (row[:, None, None] < B) & (f[None, :, None] < F) & (d[None, None, :] < D)
        wide = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        back = tl.sum(weight[:, :, :, None] * wide[:, None, :, :], axis=2)
        into = dx + row[:, None, None] * dx_row + f[None, :, None] * dx_field + d[None, None, :]
        tl.store(into, back.to(dx.dtype.element_ty), mask=inside)


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        gram_of_rows[(triton.cdiv(B, CONFIG["BLOCK_B"]),)](
            x, out, B, F, D, x.stride(0), x.stride(1), x.stride(2), out.stride(0),
            FIELDS=triton.next_power_of_2(F), BLOCK_B=CONFIG["BLOCK_B"], BLOCK_D=CONFIG["BLOCK_D"],
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return out


def backward(grad, x):
    B, F, D = x.shape
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if dx.numel() > 0:
        grad_of_rows[(triton.cdiv(B, CONFIG["BLOCK_B"]),)](
            grad, x, dx, B, F, D, grad.stride(0), grad.stride(1), x.stride(0), x.stride(1), x.stride(2),
            dx.stride(0), dx.stride(1), FIELDS=triton.next_power_of_2(F), BLOCK_B=CONFIG["BLOCK_B"],
            BLOCK_D=CONFIG["BLOCK_D"], num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return (dx,)
