"""What each Triton operation does to numbers: numpy, with the roundings of a GPU.

Triton's own interpreter treats bfloat16 as integers, truncates where it should round, ignores
`input_precision` and returns NaN from `minimum`. Here every operation gives what the GPU gives, up to the
order of sums and the last bits of exponentials and divisions.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from numpy.typing import NDArray
from triton._C.libtriton import ir
from triton.runtime import interpreter as stock
from triton.runtime.interpreter import TensorHandle as Handle

from .memory import Observer
from .rounding import WIDENED, narrow, split, truncate_to_tf32, widen

Array = NDArray[Any]
_WRAPPING = (np.add, np.subtract, np.multiply)
_FLOAT8 = tuple(each for each in WIDENED if each != tl.bfloat16)


_numpy_type = functools.cache(stock._get_np_dtype)


def numpy_type(dtype: tl.dtype) -> np.dtype[Any]:
    """The numpy type that holds numbers, or addresses, of a Triton type."""
    scalar = dtype.scalar
    return np.dtype(np.uint64) if scalar.is_ptr() else _numpy_type(scalar)


def floats(handle: Handle) -> Array:
    """The numbers of a handle, widened to float32 where numpy lacks the type."""
    dtype = handle.dtype.scalar
    return widen(handle.data, dtype) if dtype in WIDENED else handle.data


def as_dtype(values: Array, dtype: tl.dtype) -> Handle:
    """A handle of values, which are rounded to nearest even where the type is a float."""
    if dtype in WIDENED:
        return Handle(narrow(values, dtype), dtype)
    return Handle(values.astype(numpy_type(dtype), copy=False), dtype)


def _saturated(values: Array, kind: np.dtype[Any]) -> Array:
    """Towards zero, what does not fit becoming the nearest that does, NaN zero: PTX's `cvt.rzi`."""
    bounds = np.iinfo(kind)
    wide = np.nan_to_num(values.astype(np.float64), nan=0.0)
    whole = np.clip(np.trunc(wide), float(bounds.min), float(bounds.max))
    if kind.itemsize < 8:
        return whole.astype(kind)
    return np.where(whole >= float(bounds.max), bounds.max, whole.astype(kind))


def precision_of(operand: tl.dtype, requested: object) -> str:
    """What multiplies: "bf16", "fp16", "fp8", "int8", "fp64", and for float32 "tf32", "tf32x3", "ieee" …"""
    if operand == tl.float32:
        return str(requested).rpartition(".")[2].lower()
    return "fp8" if operand in _FLOAT8 or operand == tl.float8e4b15 else operand.name


def _product(a: Array, b: Array, precision: str) -> Array:
    if precision == "tf32":
        return np.asarray(np.matmul(truncate_to_tf32(a), truncate_to_tf32(b)))
    if precision in ("tf32x3", "bf16x3", "bf16x6"):
        kind, parts = precision[:4], 3 if precision.endswith("6") else 2
        left, right = split(a, parts, kind), split(b, parts, kind)
        total: Array = np.zeros((), np.float32)
        for order in reversed(range(parts)):  # the smallest terms first, as Triton emits them
            for i in range(order + 1):
                total = total + np.matmul(left[i], right[order - i])
        return total
    return np.asarray(np.matmul(a, b))


def _constant(dtype: tl.dtype) -> Callable[[Any, float], Handle]:
    return lambda self, value: as_dtype(np.array([value], np.float32), dtype)


class Arithmetic(stock.InterpreterBuilder):  # type: ignore[misc]
    """Triton's interpreter builder with its arithmetic made right; tells an `Observer` of its work."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Observer({}, "", 0)

    # constants that the stock one lacks

    get_bf16, get_fp8e4nv, get_fp8e5 = map(_constant, (tl.bfloat16, tl.float8e4nv, tl.float8e5))

    # arithmetic

    def binary_op(self, lhs: Handle, rhs: Handle, op: Any) -> Handle:
        dtype = lhs.dtype.scalar
        a, b = floats(lhs), floats(rhs)
        if op in _WRAPPING and a.dtype == np.int32 and b.dtype == np.int32:
            wide = op(a, b, dtype=np.int64)
            output = wide.astype(np.int32)
            if (output != wide).any():
                self.watch.overflow()
            return Handle(output, dtype)
        output = op(a, b)
        if output.dtype == bool:
            return Handle(output, tl.int1)
        if dtype in WIDENED:
            return as_dtype(output, dtype)
        if not stock._validate_np_data_size(output, dtype):
            output = output.astype(numpy_type(dtype))
        return Handle(output, dtype)

    # unlike numpy's minimum, the default of tl.minimum returns the one that is a number
    create_minnumf = lambda self, lhs, rhs: self.binary_op(lhs, rhs, np.fmin)  # noqa: E731
    create_maxnumf = lambda self, lhs, rhs: self.binary_op(lhs, rhs, np.fmax)  # noqa: E731

    def create_clampf(self, arg: Handle, lo: Handle, hi: Handle, propagate_nans: object) -> Handle:
        keep = propagate_nans == ir.PROPAGATE_NAN.ALL
        least, most = (np.minimum, np.maximum) if keep else (np.fmin, np.fmax)
        return as_dtype(least(most(floats(arg), floats(lo)), floats(hi)), arg.dtype.scalar)

    def create_fma(self, x: Handle, y: Handle, z: Handle) -> Handle:
        exact = floats(x).astype(np.float64) * floats(y) + floats(z)
        return as_dtype(exact, z.dtype.scalar)

    def create_ashr(self, lhs: Handle, rhs: Handle) -> Handle:
        signed = [each.data.view(stock._get_signed_np_dtype(each.data.dtype)) for each in (lhs, rhs)]
        return Handle(np.right_shift(*signed).astype(lhs.data.dtype), lhs.dtype.scalar)

    def unary_op(self, arg: Handle, op: Callable[[Array], Array]) -> Handle:
        return as_dtype(op(floats(arg)), arg.dtype.scalar)

    # casts

    def cast_impl(self, src: Handle, dst_type: tl.dtype) -> Handle:
        source, target = src.dtype.scalar, dst_type.scalar
        if target == tl.float8e4b15 or source == tl.float8e4b15:
            return super().cast_impl(src, dst_type)
        values, kind = floats(src), numpy_type(target)
        if target in WIDENED:
            return as_dtype(values, target)
        if values.dtype.kind == "f" and kind.kind in "iu":
            return Handle(_saturated(values, kind), target)
        return Handle(values.astype(kind), target)

    def create_fp_to_fp(self, src: Handle, dst_type: tl.dtype, rounding_mode: object) -> Handle:
        target = dst_type.scalar
        if rounding_mode != ir.ROUNDING_MODE.RTZ:
            return self.cast_impl(src, dst_type)
        wide = floats(src)
        if target == tl.bfloat16:
            bits = np.ascontiguousarray(wide, dtype=np.float32).view(np.uint32) >> np.uint32(16)
            return Handle(bits.astype(np.uint16), target)
        if target == tl.float16:
            near = wide.astype(np.float16)
            smaller = np.nextafter(near, np.float16(0))
            return Handle(np.where(np.abs(near.astype(wide.dtype)) > np.abs(wide), smaller, near), target)
        raise NotImplementedError(f"rounding towards zero to {target} cannot be interpreted")

    # tensor cores

    def create_dot(
        self, a: Handle, b: Handle, d: Handle, input_precision: object, max_num_imprecise_acc: object
    ) -> Handle:
        precision = precision_of(a.dtype.scalar, input_precision)
        *batch, rows, depth = a.data.shape
        products = int(np.prod(batch, dtype=np.int64)) * rows * depth * b.data.shape[-1]
        self.watch.tensor_flops[precision] += 2 * products
        if not a.dtype.scalar.is_floating():
            return Handle(np.matmul(a.data, b.data, dtype=d.data.dtype) + d.data, d.dtype.scalar)
        left, right = floats(a), floats(b)
        if left.dtype == np.float16:
            left, right = left.astype(np.float32), right.astype(np.float32)
        return as_dtype(_product(left, right, precision) + floats(d), d.dtype.scalar)
