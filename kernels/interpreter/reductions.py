"""`tl.reduce` and `tl.associative_scan` on numpy, rounding at each step as a GPU does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from numpy.typing import NDArray
from triton.runtime.interpreter import TensorHandle as Handle

from .builder import BUILDER
from .rounding import WIDENED, narrow, widen

Array = NDArray[Any]
Combine = Callable[..., Any]


def _tensor(data: Array, dtype: tl.dtype) -> tl.tensor:
    if data.ndim == 0:
        return tl.tensor(Handle(data.reshape(1), dtype), dtype)
    return tl.tensor(Handle(data, dtype), tl.block_type(dtype, list(data.shape)))


def _axis(axis: Any) -> int | None:
    axis = axis.value if isinstance(axis, tl.constexpr) else axis
    return None if axis is None else int(axis)


def _halves(data: Array, axis: int) -> tuple[Array, Array]:
    """Even and odd entries: neighbours are combined, so the order is kept."""
    at = [slice(None)] * data.ndim
    at[axis] = slice(0, None, 2)
    even = data[tuple(at)]
    at[axis] = slice(1, None, 2)
    return even, data[tuple(at)]


def _folded(
    data: tuple[Array, ...], dtypes: tuple[tl.dtype, ...], axis: int, combine: Combine
) -> list[Array]:
    """One entry along the axis, in a tree of log2(n) calls of the kernel's own function on whole halves."""
    current = list(data)
    while current[0].shape[axis] > 1:
        pairs = [_halves(each, axis) for each in current]
        left = [_tensor(even, dtype) for (even, _), dtype in zip(pairs, dtypes, strict=True)]
        right = [_tensor(odd, dtype) for (_, odd), dtype in zip(pairs, dtypes, strict=True)]
        current = _results(combine(*left, *right), current[0].shape[:axis] + left[0].handle.data.shape[axis:])
    return current


def _results(returned: Any, shape: tuple[int, ...]) -> list[Array]:
    values = list(returned) if isinstance(returned, (tuple, tl.tuple)) else [returned]
    return [np.broadcast_to(each.handle.data, shape) for each in values]


def _plain(combine: Any) -> str:
    known = {
        "_sum_combine": "sum",
        "_elementwise_max": "max",
        "_elementwise_min": "min",
    }
    for name, short in known.items():
        if combine is getattr(tl.standard, name, None):
            return short
    return ""


def _fast(data: Array, dtype: tl.dtype, axis: int, kind: str) -> Array:
    """Sums, maxima and minima without calling the kernel's function; one entry along the axis is left."""
    wide = widen(data, dtype) if dtype in WIDENED else data
    if kind == "sum" and dtype.primitive_bitwidth < 32 and dtype.is_floating():
        while wide.shape[axis] > 1:  # sixteen bits between the steps too
            even, odd = _halves(wide, axis)
            wide = even + odd
            if dtype in WIDENED:
                wide = widen(narrow(wide, dtype), dtype)
    elif kind == "sum":
        wide = np.add.reduce(wide, axis=axis, dtype=wide.dtype, keepdims=True)
    elif dtype.is_floating():
        wide = (np.fmax if kind == "max" else np.fmin).reduce(wide, axis=axis, keepdims=True)
    else:
        wide = (np.maximum if kind == "max" else np.minimum).reduce(wide, axis=axis, keepdims=True)
    return narrow(wide, dtype) if dtype in WIDENED else wide


def reduction(input: Any, axis: Any, combine_fn: Any, keep_dims: Any = False, **_: Any) -> Any:  # noqa: A002
    """What `tl.reduce` returns, for one tensor or a tuple of them."""
    several = isinstance(input, (tuple, tl.tuple))
    tensors = tuple(input) if several else (input,)
    keep = keep_dims.value if isinstance(keep_dims, tl.constexpr) else keep_dims
    dtypes = tuple(each.dtype for each in tensors)
    data = tuple(each.handle.data for each in tensors)
    shape = data[0].shape
    where = _axis(axis)
    if where is None:
        data, at = tuple(each.reshape(-1) for each in data), 0
    else:
        at = where % len(shape)
    kind = "" if several else _plain(combine_fn)
    if kind:
        if dtypes[0].is_floating():
            BUILDER.watch.arithmetic(data[0].size)
        folded = [_fast(data[0], dtypes[0], at, kind)]
    else:
        folded = _folded(data, dtypes, at, combine_fn)
    if keep:
        final = [each.reshape([1] * len(shape)) if where is None else each for each in folded]
    else:
        final = [each.reshape(each.shape[:at] + each.shape[at + 1 :]) for each in folded]
    made = tuple(_tensor(each, dtype) for each, dtype in zip(final, dtypes, strict=True))
    return made if several else made[0]


def scan(input: Any, axis: Any, combine_fn: Any, reverse: Any = False, **_: Any) -> Any:  # noqa: A002
    """What `tl.associative_scan` returns, for one tensor or a tuple of them."""
    several = isinstance(input, (tuple, tl.tuple))
    tensors = tuple(input) if several else (input,)
    backwards = reverse.value if isinstance(reverse, tl.constexpr) else reverse
    dtypes = tuple(each.dtype for each in tensors)
    at = (_axis(axis) or 0) % tensors[0].handle.data.ndim
    current = [each.handle.data for each in tensors]
    if backwards:
        current = [np.flip(each, at) for each in current]
    length, step = current[0].shape[at], 1
    while step < length:
        early = [_tensor(np.roll(each, step, at), dtype) for each, dtype in zip(current, dtypes, strict=True)]
        late = [_tensor(each, dtype) for each, dtype in zip(current, dtypes, strict=True)]
        moved = _results(combine_fn(*early, *late), current[0].shape)
        done = np.arange(length) < step  # these have all that comes before them
        done = done.reshape([-1 if k == at else 1 for k in range(current[0].ndim)])
        current = [np.where(done, each, then) for each, then in zip(current, moved, strict=True)]
        step *= 2
    if backwards:
        current = [np.flip(each, at) for each in current]
    made = tuple(_tensor(each, dtype) for each, dtype in zip(current, dtypes, strict=True))
    return made if several else made[0]
