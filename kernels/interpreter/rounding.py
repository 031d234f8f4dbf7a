"""Floating-point formats that numpy lacks, kept as their bits: bfloat16, the float8 formats, TF32.

bfloat16 is uint16, float8 is uint8, as Triton's interpreter stores them. Arithmetic on them is float32
arithmetic on `widen`ed values, rounded once by `narrow`.
"""

import numpy as np
import torch
import triton.language as tl
from numpy.typing import NDArray

Array = NDArray[np.generic]
Bits = NDArray[np.unsignedinteger]
Float32 = NDArray[np.float32]

_TORCH = {
    tl.float8e4nv: torch.float8_e4m3fn,
    tl.float8e5: torch.float8_e5m2,
    tl.float8e4b8: torch.float8_e4m3fnuz,
    tl.float8e5b16: torch.float8_e5m2fnuz,
}
_TABLES: dict[tl.dtype, Float32] = {
    ours: torch.arange(256, dtype=torch.uint8).view(theirs).float().numpy() for ours, theirs in _TORCH.items()
}
WIDENED = frozenset({tl.bfloat16, *_TORCH})
"""Types that `widen` and `narrow` know. float8e4b15, which only sm_80 and older have, is not among them."""


def bfloat16_to_float32(bits: Array) -> Float32:
    """The same numbers as float32; exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def float32_to_bfloat16(values: Array) -> NDArray[np.uint16]:
    """The bits of the nearest bfloat16, ties to even; NaN stays NaN, what is too large becomes infinite."""
    wide = np.ascontiguousarray(values, dtype=np.float32)
    bits = wide.view(np.uint32)
    rounded = ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(
        np.uint16
    )
    missing = np.isnan(wide)
    return np.where(missing, np.uint16(0x7FC0), rounded) if missing.any() else rounded


def widen(bits: Array, dtype: tl.dtype) -> Float32:
    """float32 of a type in WIDENED; exact."""
    return bfloat16_to_float32(bits) if dtype == tl.bfloat16 else _TABLES[dtype][bits]


def narrow(values: Array, dtype: tl.dtype) -> Bits:
    """The bits of the nearest number of a type in WIDENED, ties to even.

    float8 saturates: the GPU converts with `cvt.rn.satfinite`, so infinity becomes the largest number (PTX
    ISA, instruction cvt).
    """
    if dtype == tl.bfloat16:
        return float32_to_bfloat16(values)
    theirs = _TORCH[dtype]
    most = np.float32(torch.finfo(theirs).max)
    wide = torch.from_numpy(np.clip(np.ascontiguousarray(values, dtype=np.float32), -most, most))
    bits: Bits = wide.to(theirs).view(torch.uint8).numpy()
    return bits


def truncate_to_tf32(values: Float32) -> Float32:
    """What a tensor core sees of a float32 operand: 10 bits of mantissa, the other 13 ignored.

    Triton feeds float32 registers to `mma … .tf32` as they are: its PTX holds no `cvt.rna.tf32` for
    `input_precision="tf32"`.
    """
    return (np.ascontiguousarray(values).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


def round_to_tf32(values: Float32) -> Float32:
    """The nearest TF32, ties away from zero: `cvt.rna.tf32.f32`, which Triton emits for "tf32x3"."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    finite = (bits & np.uint32(0x7F800000)) != np.uint32(0x7F800000)
    return np.where(finite, (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000), bits).view(np.float32)


def split(values: Float32, parts: int, kind: str) -> list[Float32]:
    """`parts` numbers of the kind ("tf32" or "bf16") that sum to the values, largest first."""
    found: list[Float32] = []
    rest = values
    for _ in range(parts):
        part = round_to_tf32(rest) if kind == "tf32" else bfloat16_to_float32(float32_to_bfloat16(rest))
        found.append(part)
        rest = rest - part
    return found
