"""Dot products of all pairs as one small matrix product per row, on tensor cores.

Naumov et al. 2019, DLRM, section 2.1.3 (arXiv:1906.00091); one program holds all fields of a row, as NVIDIA's
dot interaction does (HugeCTR, Wang et al. 2022, arXiv:2210.08803).
"""

import torch
import triton
import triton.language as tl

CONFIG = {"num_warps": 2, "num_stages": 2, "backward_warps": 4, "backward_stages": 2}


@triton.jit
def forward_kernel(
    x_ptr,
    out_ptr,
    stride_b,
    stride_f,
    stride_d,
    out_stride,
    F: tl.constexpr,
    D: tl.constexpr,
    FIELDS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    field = tl.arange(0, FIELDS)
    place = tl.arange(0, WIDTH)
    inside = (field[:, None] < F) & (place[None, :] < D)
    offsets = field[:, None] * stride_f + place[None, :] * stride_d
    x = tl.load(x_ptr + row * stride_b + offsets, mask=inside, other=0.0)
    gram = tl.dot(x, tl.trans(x), input_precision="ieee")
    i = field[:, None]
    j = field[None, :]
    slot = i * (2 * F - i - 1) // 2 + j - i - 1
    tl.store(out_ptr + row * out_stride + slot, gram.to(out_ptr.dtype.element_ty), mask=(i < j) & (j < F))


@triton.jit
def backward_kernel(
    grad_ptr,
    x_ptr,
    dx_ptr,
    grad_stride,
    grad_step,
    stride_b,
    stride_f,
    stride_d,
    dx_b,
    dx_f,
    dx_d,
    F: tl.constexpr,
    D: tl.constexpr,
    FIELDS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    field = tl.arange(0, FIELDS)
    place = tl.arange(0, WIDTH)
    i = field[:, None]
    j = field[None, :]
    low = tl.minimum(i, j)
    high = tl.maximum(i, j)
    slot = low * (2 * F - low - 1) // 2 + high - low - 1
    grad = tl.load(
        grad_ptr + row * grad_stride + slot * grad_step, mask=(i != j) & (i < F) & (j < F), other=0.0
    )
    inside = (field[:, None] < F) & (place[None, :] < D)
    x = tl.load(
        x_ptr + row * stride_b + field[:, None] * stride_f + place[None, :] * stride_d, mask=inside, other=0.0
    )
    dx = tl.dot(grad, x, input_precision="ieee")
    tl.store(
        dx_ptr + row * dx_b + field[:, None] * dx_f + place[None, :] * dx_d,
        dx.to(dx_ptr.dtype.element_ty),
        mask=inside,
    )


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if B * F > 1:
        forward_kernel[(B,)](
            x,
            out,
            x.stride(0),
            x.stride(1),
            x.stride(2),
            out.stride(0),
            F=F,
            D=D,
            FIELDS=max(16, triton.next_power_of_2(F)),
            WIDTH=max(16, triton.next_power_of_2(D)),
            num_warps=CONFIG["num_warps"],
            num_stages=CONFIG["num_stages"],
        )
    return out


def backward(grad, x):
    B, F, D = x.shape
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    if B > 0:
        backward_kernel[(B,)](
            grad,
            x,
            dx,
            grad.stride(0),
            grad.stride(1),
            x.stride(0),
            x.stride(1),
            x.stride(2),
            dx.stride(0),
            dx.stride(1),
            dx.stride(2),
            F=F,
            D=D,
            FIELDS=max(16, triton.next_power_of_2(F)),
            WIDTH=max(16, triton.next_power_of_2(D)),
            num_warps=CONFIG["backward_warps"],
            num_stages=CONFIG["backward_stages"],
        )
    return (dx,)
