"""Honest programs as texts, and ways to spoil them by replacing a piece."""

from types import ModuleType

from recevolve.kernels.record.load_source import load_program

DOT = r'''
"""Pairwise dot products, one program a row."""

import torch
import triton
import triton.language as tl

CONFIG = {"num_warps": 2, "num_stages": 2}


@triton.jit
def dot_forward(x, out, F, D, xb, xf, xd, ob, FP: tl.constexpr, DP: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FP)
    d = tl.arange(0, DP)
    inside = (f[:, None] < F) & (d[None, :] < D)
    tile = tl.load(x + b * xb + f[:, None] * xf + d[None, :] * xd, mask=inside, other=0.0)
    gram = tl.dot(tile, tl.trans(tile), input_precision="ieee")
    i = f[:, None]
    j = f[None, :]
    place = i * (2 * F - i - 1) // 2 + (j - i - 1)
    tl.store(out + b * ob + place, gram.to(out.dtype.element_ty), mask=(i < j) & (j < F))


@triton.jit
def dot_backward(x, g, dx, F, D, xb, xf, xd, gb, gp, db, df, dd, FP: tl.constexpr, DP: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FP)
    d = tl.arange(0, DP)
    i = f[:, None]
    j = f[None, :]
    low = tl.minimum(i, j)
    high = tl.maximum(i, j)
    place = low * (2 * F - low - 1) // 2 + (high - low - 1)
    pairs = tl.load(g + b * gb + place * gp, mask=(low != high) & (high < F), other=0.0)
    inside = (f[:, None] < F) & (d[None, :] < D)
    tile = tl.load(x + b * xb + f[:, None] * xf + d[None, :] * xd, mask=inside, other=0.0)
    result = tl.dot(pairs, tile, input_precision="ieee")
    tl.store(dx + b * db + f[:, None] * df + d[None, :] * dd, result.to(dx.dtype.element_ty), mask=inside)


def forward(x):
    B = x.shape[0]
    F = x.shape[1]
    D = x.shape[2]
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    FP = max(16, triton.next_power_of_2(F))
    DP = max(16, triton.next_power_of_2(D))
    if out.numel() > 0:
        dot_forward[(B,)](
            x, out, F, D, x.stride(0), x.stride(1), x.stride(2), out.stride(0), FP=FP, DP=DP,
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )
    return out


def backward(grad, x):
    B = x.shape[0]
    F = x.shape[1]
    D = x.shape[2]
    dx = torch.empty_like(x)
    FP = max(16, triton.next_power_of_2(F))
    DP = max(16, triton.next_power_of_2(D))
    if dx.numel() > 0:
        dot_backward[(B,)](
            x, grad, dx, F, D, x.stride(0), x.stride(1), x.stride(2), grad.stride(0), grad.stride(1),
            dx.stride(0), dx.stride(1), dx.stride(2), FP=FP, DP=DP,
            num_warps=CONFIG["num_warps"], num_stages=CONFIG["num_stages"],
        )
    return (dx,)
'''

CROSS = r'''
"""One DCN-v2 cross layer, one program a row."""

import torch
import triton
import triton.language as tl


@triton.jit
def cross_forward(x0, x, w, bias, out, K, ab, ak, xb, xk, wi, wj, bk, ob, KP: tl.constexpr):
    b = tl.program_id(0)
    i = tl.arange(0, KP)
    rows = i[:, None]
    columns = i[None, :]
    weight = tl.load(w + rows * wi + columns * wj, mask=(rows < K) & (columns < K), other=0.0).to(tl.float32)
    there = tl.load(x + b * xb + columns * xk, mask=columns < K, other=0.0).to(tl.float32)
    inner = tl.sum(weight * there, axis=1) + tl.load(bias + i * bk, mask=i < K, other=0.0).to(tl.float32)
    first = tl.load(x0 + b * ab + i * ak, mask=i < K, other=0.0).to(tl.float32)
    here = tl.load(x + b * xb + i * xk, mask=i < K, other=0.0).to(tl.float32)
    tl.store(out + b * ob + i, (first * inner + here).to(out.dtype.element_ty), mask=i < K)


def forward(x0, x, weight, bias):
    B = x.shape[0]
    K = x.shape[1]
    out = torch.empty((B, K), dtype=x.dtype, device=x.device)
    KP = triton.next_power_of_2(K)
    if out.numel() > 0:
        cross_forward[(B,)](
            x0, x, weight, bias, out, K, x0.stride(0), x0.stride(1), x.stride(0), x.stride(1),
            weight.stride(0), weight.stride(1), bias.stride(0), out.stride(0), KP=KP,
        )
    return out
'''


def program(text: str, *changes: tuple[str, str]) -> ModuleType:
    """The module of a text in which every piece that is to change stands once and is changed."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
        text = text.replace(old, new)
    return load_program(text)
