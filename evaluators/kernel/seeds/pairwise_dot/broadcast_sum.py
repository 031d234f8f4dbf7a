"""Dot products of all pairs as products summed along the width, one field against all: no tensor cores.

The interaction of DLRM, Naumov et al. 2019, section 2.1.3 (arXiv:1906.00091), on cores that only multiply and
add, as factorization machines were computed before there were matrix units (Rendle 2010).
"""

import torch
import triton
import triton.language as tl

CONFIG = {"ROWS": 2, "num_warps": 8, "num_stages": 2}


@triton.jit
def load_one(x_ptr, row, field, place, B, D, x_row, x_field, x_step):
    inside = (row[:, None] < B) & (place[None, :] < D)
    far = (tl.zeros((1, 1), dtype=tl.int64) + field) * x_field + place[None, :].to(tl.int64) * x_step
    return tl.load(x_ptr + row[:, None] * x_row + far, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def load_all(x_ptr, row, field, place, B, F, D, x_row, x_field, x_step):
    inside = (row[:, None, None] < B) & (field[None, :, None] < F) & (place[None, None, :] < D)
    far = field[None, :, None].to(tl.int64) * x_field + place[None, None, :].to(tl.int64) * x_step
    return tl.load(x_ptr + row[:, None, None] * x_row + far, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def dots(
    x_ptr, out_ptr, B, F, D, x_row, x_field, x_step, out_row,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    field = tl.arange(0, FIELDS)
    place = tl.arange(0, WIDTH)
    x = load_all(x_ptr, row, field, place, B, F, D, x_row, x_field, x_step)
    for i in range(0, F - 1):
        one = load_one(x_ptr, row, i, place, B, D, x_row, x_field, x_step)
        products = tl.sum(x * one[:, None, :], axis=2)
        slot = i * (2 * F - i - 1) // 2 + field - i - 1
        inside = (row[:, None] < B) & (field[None, :] > i) & (field[None, :] < F)
        tl.store(out_ptr + row[:, None] * out_row + slot[None, :], products, mask=inside)


@triton.jit
def gradients(
    grad_ptr, x_ptr, dx_ptr, B, F, D, grad_row, grad_step, x_row, x_field, x_step, dx_row,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    field = tl.arange(0, FIELDS)
    place = tl.arange(0, WIDTH)
    dx = tl.zeros((ROWS, FIELDS, WIDTH), dtype=tl.float32)
    for i in range(0, F):
        one = load_one(x_ptr, row, i, place, B, D, x_row, x_field, x_step)
        low = tl.minimum(field, i)
        high = tl.maximum(field, i)
        slot = (low * (2 * F - low - 1) // 2 + high - low - 1).to(tl.int64)
        known = (row[:, None] < B) & (field[None, :] != i) & (field[None, :] < F)
        grad = tl.load(
            grad_ptr + row[:, None] * grad_row + slot[None, :] * grad_step, mask=known, other=0.0
        ).to(tl.float32)
        dx += grad[:, :, None] * one[:, None, :]
    inside = (row[:, None, None] < B) & (field[None, :, None] < F) & (place[None, None, :] < D)
    far = row[:, None, None] * dx_row + field[None, :, None] * D + place[None, None, :]
    tl.store(dx_ptr + far, dx, mask=inside)


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        dots[(triton.cdiv(B, CONFIG["ROWS"]),)](
            x, out, B, F, D, x.stride(0), x.stride(1), x.stride(2), out.stride(0),
            ROWS=CONFIG["ROWS"], FIELDS=triton.next_power_of_2(F), WIDTH=triton.next_power_of_2(D),
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return out


def backward(grad, x):
    B, F, D = x.shape
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if dx.numel() > 0:
        gradients[(triton.cdiv(B, CONFIG["ROWS"]),)](
            grad, x, dx, B, F, D, grad.stride(0), grad.stride(1),
            x.stride(0), x.stride(1), x.stride(2), dx.stride(0),
            ROWS=CONFIG["ROWS"], FIELDS=triton.next_power_of_2(F), WIDTH=triton.next_power_of_2(D),
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return (dx,)
