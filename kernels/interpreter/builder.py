"""How interpreted kernels reach memory: accesses are announced, and pointers know whose argument they are."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton._C.libtriton import interpreter as native
from triton._C.libtriton import ir
from triton.runtime import interpreter as stock
from triton.runtime.interpreter import TensorHandle as Handle

from .arithmetic import Arithmetic, Array, numpy_type
from .rounding import bfloat16_to_float32, float32_to_bfloat16

_ORIGIN = "origin"


def mark(handle: Handle, argument: str) -> None:
    """This pointer, and those made from it, belong to an argument of the kernel."""
    handle.attr[_ORIGIN] = argument


def _size(pointers: Handle) -> int:
    """Bytes of an element."""
    return max(1, int(pointers.get_element_ty().primitive_bitwidth) // 8)


def _mask(mask: Any) -> Array | None:
    """Of a handle, or of what descriptors and block pointers make for themselves."""
    found: Array | None = mask.data if isinstance(mask, Handle) else mask
    return found


def _keeping(name: str, which: int) -> Callable[..., Handle]:
    """The stock method of that name, its result belonging where its argument number `which` does."""
    method = getattr(stock.InterpreterBuilder, name)

    def call(self: "Builder", *arguments: Any, **named: Any) -> Handle:
        made: Handle = method(self, *arguments, **named)
        if origin := arguments[which].attr.get(_ORIGIN):
            mark(made, origin)
        return made

    return call


def _describing(name: str) -> Callable[..., Any]:
    """The stock method of that name, its accesses being of the descriptor's or block pointer's argument."""
    method = getattr(stock.InterpreterBuilder, name)

    def call(self: "Builder", described: Any, *rest: Any) -> Any:
        self._described = described.base.attr.get(_ORIGIN, "")
        try:
            return method(self, described, *rest)
        finally:
            self._described = ""

    return call


class Builder(Arithmetic):
    """Triton's interpreter builder, with right numbers; an `Observer` is told of accesses beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self._described = ""
        """The argument of the descriptor or block pointer that is being accessed."""

    create_addptr = _keeping("create_addptr", 0)
    create_bitcast = _keeping("create_bitcast", 0)
    create_int_to_ptr = _keeping("create_bitcast", 0)
    create_splat = _keeping("create_splat", 1)
    create_broadcast = _keeping("create_broadcast", 0)
    create_expand_dims = _keeping("create_expand_dims", 0)
    create_reshape = _keeping("create_reshape", 0)
    create_trans = _keeping("create_trans", 0)

    def create_load(self, ptr: Handle, *_: Any) -> Handle:
        return self._load(ptr, None, None)

    def create_masked_load(self, ptrs: Handle, mask: Any, other: Handle | None, *_: Any, **__: Any) -> Handle:
        return self._load(ptrs, _mask(mask), other)

    def _load(self, ptrs: Handle, mask: Array | None, other: Handle | None) -> Handle:
        self.watch.load(ptrs.data, mask, _size(ptrs), self._origin(ptrs))
        dtype = ptrs.get_element_ty()
        kind = numpy_type(dtype)
        active = np.ones(ptrs.data.shape, np.bool_) if mask is None else mask
        default = np.zeros(ptrs.data.shape, kind) if other is None else other.data
        return Handle(native.load(ptrs.data, active, default, kind), dtype)

    def create_store(self, ptr: Handle, val: Handle, *_: Any) -> None:
        self._store(ptr, val, None)

    def create_masked_store(self, ptrs: Handle, value: Handle, mask: Any, *_: Any) -> None:
        self._store(ptrs, value, _mask(mask))

    def _store(self, ptrs: Handle, value: Handle, mask: Array | None) -> None:
        self.watch.store(ptrs.data, mask, _size(ptrs), self._origin(ptrs), value.data)
        native.store(ptrs.data, value.data, np.ones(ptrs.data.shape, np.bool_) if mask is None else mask)

    def _origin(self, ptrs: Handle) -> str:
        origin: str = ptrs.attr.get(_ORIGIN, self._described)
        return origin

    create_descriptor_load = _describing("create_descriptor_load")
    create_descriptor_store = _describing("create_descriptor_store")
    create_tensor_pointer_load = _describing("create_tensor_pointer_load")
    create_tensor_pointer_store = _describing("create_tensor_pointer_store")

    def create_atomic_cas(self, ptr: Handle, *rest: Any) -> Handle:
        self.watch.atomic(ptr.data, None, _size(ptr), self._origin(ptr), floating=False)
        return super().create_atomic_cas(ptr, *rest)

    def create_atomic_rmw(self, op: object, ptr: Handle, val: Handle, mask: Handle, *rest: Any) -> Handle:
        adds = op == ir.ATOMIC_OP.FADD
        self.watch.atomic(ptr.data, mask.data, _size(ptr), self._origin(ptr), floating=adds)
        dtype = val.dtype.scalar
        if dtype != tl.bfloat16:
            return super().create_atomic_rmw(op, ptr, val, mask, *rest)
        if not adds:
            raise NotImplementedError(f"{op} on bfloat16 exists on no GPU that we know; add, or use float32")
        addresses, values, active = np.broadcast_arrays(ptr.data, bfloat16_to_float32(val.data), mask.data)
        before = np.zeros(addresses.shape, np.uint16)
        for lane in zip(*np.nonzero(active), strict=True):
            cell = ctypes.c_uint16.from_address(int(addresses[lane]))
            before[lane] = cell.value
            total = bfloat16_to_float32(np.array([cell.value], np.uint16)) + values[lane]
            cell.value = int(float32_to_bfloat16(total)[0])
        return Handle(before, dtype)


BUILDER = Builder()
"""The one that `triton.language` is made to call while we interpret."""
