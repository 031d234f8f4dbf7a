"""Kernels that differ in one thing that costs time, for tests of the estimate."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _gram(x, out, F, D, FIELDS: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FIELDS)
    d = tl.arange(0, WIDTH)
    tile = tl.load(
        x + row * F * D + f[:, None] * D + d[None, :], mask=(f[:, None] < F) & (d[None, :] < D), other=0.0
    )
    gram = tl.dot(tile, tl.trans(tile), input_precision=PRECISION)
    at = row * FIELDS * FIELDS + f[:, None] * FIELDS + f[None, :]
    tl.store(out + at, gram.to(out.dtype.element_ty))


def gram(x: Tensor, precision: str = "tf32", warps: int = 4) -> Tensor:
    """(B, 32, 32): products of every two fields of (B, F, D), padded to 32 fields."""
    B, F, D = x.shape
    out = torch.empty((B, 32, 32), dtype=x.dtype, device=x.device)
    width = triton.next_power_of_2(D)
    _gram[(B,)](x, out, F, D, FIELDS=32, WIDTH=width, PRECISION=precision, num_warps=warps)
    return out


@triton.jit
def _scale(x, out, size, stride, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + at * stride, mask=at < size, other=0.0)
    tl.store(out + at, values * 2, mask=at < size)


def scale(x: Tensor, stride: int = 1, block: int = 1024) -> Tensor:
    """Twice every `stride`-th element of a flat tensor."""
    size = x.numel() // stride
    out = torch.empty(size, dtype=x.dtype, device=x.device)
    _scale[(triton.cdiv(size, block),)](x, out, size, stride, BLOCK=block, num_warps=4)
    return out


def scale_twice(x: Tensor) -> Tensor:
    """Four times a flat tensor, through memory."""
    return scale(scale(x))


@triton.jit
def _weigh(x, weight, out, K, AGAIN: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0)
    k = tl.arange(0, WIDTH)
    total = tl.zeros((WIDTH,), tl.float32)
    for _ in range(AGAIN):
        values = tl.load(x + row * K + k, mask=k < K, other=0.0)
        total += values * tl.load(weight + k, mask=k < K, other=0.0)
    tl.store(out + row, tl.sum(total) / AGAIN)


def weigh(x: Tensor, weight: Tensor, again: int = 1) -> Tensor:
    """(B,): each row of (B, K) times a weight that all share; loaded `again` times."""
    B, K = x.shape
    out = torch.empty(B, dtype=x.dtype, device=x.device)
    _weigh[(B,)](x, weight, out, K, AGAIN=again, WIDTH=triton.next_power_of_2(K), num_warps=4)
    return out


@triton.jit
def _total(x, out, size, BLOCK: tl.constexpr):
    lanes = tl.arange(0, BLOCK)
    first = tl.program_id(0) * size
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, size, BLOCK):
        total += tl.load(x + first + start + lanes, mask=start + lanes < size, other=0.0)
    tl.store(out + tl.program_id(0), tl.sum(total))


def total(x: Tensor, programs: int) -> Tensor:
    """(programs,): sums of equal parts of a flat tensor."""
    out = torch.empty(programs, dtype=x.dtype, device=x.device)
    _total[(programs,)](x, out, x.numel() // programs, BLOCK=1024, num_warps=4)
    return out


@triton.jit
def _histogram(x, out, size, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    bins = tl.load(x + at, mask=at < size, other=0)
    tl.atomic_add(out + bins, 1, mask=at < size)


def histogram(x: Tensor, bins: int) -> Tensor:
    """(bins,): how often each number below `bins` stands in a flat tensor."""
    out = torch.zeros(bins, dtype=torch.int32, device=x.device)
    _histogram[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK=1024, num_warps=4)
    return out
