"""`tl.reduce` and `tl.associative_scan` on numpy, rounding at each step as a GPU does."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import triton.language as tl
from numpy.typing import NDArray
from triton.language.core import _unwrap_if_constexpr as unwrapped
from triton.runtime.interpreter import TensorHandle as Handle

from .rounding import WIDENED, narrow, widen

Array = NDArray[Any]
Combine = Callable[..., Any]
SEVERAL = (tuple, tl.tuple)


def _tensor(data: Array, dtype: tl.dtype) -> tl.tensor:
    if data.ndim == 0:
        return tl.tensor(Handle(data.reshape(1), dtype), dtype)
    return tl.tensor(Handle(data, dtype), tl.block_type(dtype, list(data.shape)))


def _halves(data: Array, axis: int) -> tuple[Array, Array]:
    """Even and odd entries: neighbours are combined, so the order is kept."""
    at = [slice(None)] * data.ndim
    at[axis] = slice(0, None, 2)
    even = data[tuple(at)]
    at[axis] = slice(1, None, 2)
    return even, data[tuple(at)]


def _folded(data: Sequence[Array], dtypes: Sequence[tl.dtype], axis: int, combine: Combine) -> list[Array]:
    """One entry along the axis, in a tree of log2(n) calls of the kernel's own function on whole halves."""
    current = list(data)
    while current[0].shape[axis] > 1:
        pairs = [_halves(each, axis) for each in current]
        left = [_tensor(even, dtype) for (even, _), dtype in zip(pairs, dtypes, strict=True)]
        right = [_tensor(odd, dtype) for (_, odd), dtype in zip(pairs, dtypes, strict=True)]
        current = _results(combine(*left, *right), current[0].shape[:axis] + left[0].handle.data.shape[axis:])
    return current


def _results(returned: Any, shape: tuple[int, ...]) -> list[Array]:
    values = list(returned) if isinstance(returned, SEVERAL) else [returned]
    return [np.broadcast_to(each.handle.data, shape) for each in values]


def _plain(combine: Any) -> str:
    """What a function of Triton's own combines to: "sum", "max" or "min"; nothing of any other function."""
    known = {"_sum_combine": "sum", "_elementwise_max": "max", "_elementwise_min": "min"}
    return next((short for name, short in known.items() if combine is getattr(tl.standard, name, None)), "")


def _fast(data: Array, dtype: tl.dtype, axis: int, kind: str) -> Array:
    """Sums, maxima and minima without calling the kernel's function; one entry along the axis is left."""
    wide = widen(data, dtype) if dtype in WIDENED else data
    if kind == "sum" and dtype.primitive_bitwidth < 32 and dtype.is_floating():
        while wide.shape[axis] > 1:  # sixteen bits between the steps too
            even, odd = _halves(wide, axis)
            wide = even + odd
            if dtype in WIDENED:
                wide = widen(narrow(wide, dtype), dtype)
    else:
        largest, least = (np.fmax, np.fmin) if dtype.is_floating() else (np.maximum, np.minimum)
        ways = {"sum": np.add, "max": largest, "min": least}
        wide = ways[kind].reduce(wide, axis=axis, keepdims=True, dtype=wide.dtype)
    return narrow(wide, dtype) if dtype in WIDENED else wide


def _like(given: Any, data: Sequence[Array], dtypes: Sequence[tl.dtype]) -> Any:
    """Tensors of these data: several where several were given, else the only one."""
    made = tuple(_tensor(each, dtype) for each, dtype in zip(data, dtypes, strict=True))
    return made if isinstance(given, SEVERAL) else made[0]


def reduction(input: Any, axis: Any, combine_fn: Any, keep_dims: Any = False, **_: Any) -> Any:  # noqa: A002
    """What `tl.reduce` returns, for one tensor or a tuple of them."""
    several = isinstance(input, SEVERAL)
    tensors = tuple(input) if several else (input,)
    dtypes, data = [each.dtype for each in tensors], [each.handle.data for each in tensors]
    shape, where = data[0].shape, unwrapped(axis)
    if where is None:
        data, at = [each.reshape(-1) for each in data], 0
    else:
        at = int(where) % len(shape)
    kind = "" if several else _plain(combine_fn)
    folded = [_fast(data[0], dtypes[0], at, kind)] if kind else _folded(data, dtypes, at, combine_fn)
    if not unwrapped(keep_dims):
        folded = [each.reshape(each.shape[:at] + each.shape[at + 1 :]) for each in folded]
    elif where is None:
        folded = [each.reshape([1] * len(shape)) for each in folded]
    return _like(input, folded, dtypes)


def scan(input: Any, axis: Any, combine_fn: Any, reverse: Any = False, **_: Any) -> Any:  # noqa: A002
    """What `tl.associative_scan` returns, for one tensor or a tuple of them."""
    tensors = tuple(input) if isinstance(input, SEVERAL) else (input,)
    backwards = unwrapped(reverse)
    dtypes, current = [each.dtype for each in tensors], [each.handle.data for each in tensors]
    at = int(unwrapped(axis) or 0) % current[0].ndim
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
    return _like(input, current, dtypes)
