"""Factorization machine as half of the square of the sum minus the sum of the squares, all fields at once.

Rendle 2010, Factorization Machines, ICDM, lemma 3.1; the backward pass is (sum - x) times the gradient.
"""

import torch
import triton
import triton.language as tl

CONFIG = {"ROWS": 1, "num_warps": 4, "num_stages": 2}


@triton.jit
def load_fields(x_ptr, row, field, place, B, F, D, x_row, x_field, x_step):
    inside = (row[:, None, None] < B) & (field[None, :, None] < F) & (place[None, None, :] < D)
    far = field[None, :, None].to(tl.int64) * x_field + place[None, None, :].to(tl.int64) * x_step
    return tl.load(x_ptr + row[:, None, None] * x_row + far, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def squares(
    x_ptr, out_ptr, B, F, D, x_row, x_field, x_step,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    x = load_fields(x_ptr, row, tl.arange(0, FIELDS), tl.arange(0, WIDTH), B, F, D, x_row, x_field, x_step)
    total = tl.sum(x, axis=1)
    result = 0.5 * tl.sum(total * total - tl.sum(x * x, axis=1), axis=1)
    tl.store(out_ptr + row, result, mask=row < B)


@triton.jit
def gradients(
    grad_ptr, x_ptr, dx_ptr, B, F, D, grad_row, x_row, x_field, x_step, dx_row,
    ROWS: tl.constexpr, FIELDS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    field = tl.arange(0, FIELDS)
    place = tl.arange(0, WIDTH)
    x = load_fields(x_ptr, row, field, place, B, F, D, x_row, x_field, x_step)
    grad = tl.load(grad_ptr + row * grad_row, mask=row < B, other=0.0).to(tl.float32)
    dx = grad[:, None, None] * (tl.sum(x, axis=1)[:, None, :] - x)
    inside = (row[:, None, None] < B) & (field[None, :, None] < F) & (place[None, None, :] < D)
    tl.store(
        dx_ptr + row[:, None, None] * dx_row + field[None, :, None] * D + place[None, None, :],
        dx,
        mask=inside,
    )


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B,), dtype=x.dtype, device=x.device)
    if B > 0:
        squares[(triton.cdiv(B, CONFIG["ROWS"]),)](
            x, out, B, F, D, x.stride(0), x.stride(1), x.stride(2),
            ROWS=CONFIG["ROWS"], FIELDS=triton.next_power_of_2(F), WIDTH=triton.next_power_of_2(D),
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return out


def backward(grad, x):
    B, F, D = x.shape
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if dx.numel() > 0:
        gradients[(triton.cdiv(B, CONFIG["ROWS"]),)](
            grad, x, dx, B, F, D, grad.stride(0), x.stride(0), x.stride(1), x.stride(2), dx.stride(0),
            ROWS=CONFIG["ROWS"], FIELDS=triton.next_power_of_2(F), WIDTH=triton.next_power_of_2(D),
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )  # fmt: skip
    return (dx,)
