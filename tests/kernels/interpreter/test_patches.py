"""Triton is exactly as it was after a kernel was compiled, interpreted, tuned, or has failed."""

import os
import sys
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from triton.compiler.errors import CompilationError
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.runtime import driver
from triton.runtime import interpreter as stock
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction

from recevolve.kernels.interpreter.patches import Patches
from recevolve.kernels.record.launches import offline

pytestmark = pytest.mark.tritons

N = 256


@triton.jit
def cast_kernel(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out_ptr + at, tl.load(x_ptr + at).to(out_ptr.dtype.element_ty))


@triton.jit
def failing_kernel(x_ptr, N: tl.constexpr):
    tl.device_assert(tl.load(x_ptr) > 0)
    tl.store(x_ptr + N * tl.load(x_ptr).to(tl.int32), 1.0)


@triton.autotune(configs=[triton.Config({"N": 128}), triton.Config({"N": 256})], key=[])
@triton.jit
def tuned_kernel(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.program_id(0) * N + tl.arange(0, N)
    tl.store(out_ptr + at, tl.exp(tl.load(x_ptr + at)))


def everything() -> dict[tuple[str, str], object]:
    """Whatever an interpreter might leave changed: attributes by identity, and what hangs on our kernels."""
    owners: list[Any] = [
        tl, tl.core, tl.math, tl.standard, tl.tensor, tl.dtype, tl.core.tensor_descriptor_base,
        libdevice, cuda_libdevice, JITFunction, Autotuner, stock, type(stock.interpreter_builder),
    ]  # fmt: skip
    found: dict[tuple[str, str], object] = {
        (owner.__name__, name): value for owner in owners for name, value in vars(owner).items()
    }
    for kernel in (cast_kernel, failing_kernel, tuned_kernel.fn):
        found[kernel.__name__, "globals"] = sorted(kernel.fn.__globals__)
        found[kernel.__name__, "caches"] = [key for key in kernel.device_caches if "offline" in str(key)]
    found["tuner", "state"] = (sorted(vars(tuned_kernel)), dict(tuned_kernel.cache), tuned_kernel._do_bench)
    found["builder", "state"] = sorted(vars(stock.interpreter_builder))
    found["process", "trace"] = sys.gettrace()
    found["process", "environment"] = dict(os.environ)
    found["process", "driver"] = driver._active
    return found


@pytest.mark.parametrize(
    "how", ["works", "raises in a kernel", "raises in the compiler", "raises in the host", "is tuned"]
)
def test_nothing_is_changed_afterwards(how: str) -> None:
    before = everything()
    x = torch.ones(N)
    with offline(assemble=False):
        if how == "works":
            cast_kernel[(2,)](x, torch.empty(N), N=N)
        elif how == "is tuned":
            tuned_kernel[lambda meta: (N // meta["N"],)](x, torch.empty(N))
        elif how == "raises in a kernel":
            with pytest.raises(RuntimeError, match="stores outside of x_ptr"):
                failing_kernel[(1,)](x, N=1 << 20)
        elif how == "raises in the compiler":
            with pytest.raises(CompilationError):
                failing_kernel[(1,)](x, N="no number")
    if how == "raises in the host":
        with pytest.raises(ZeroDivisionError), offline(assemble=False):
            cast_kernel[(1,)](x, torch.empty(N), N=N // 0)
    after = everything()
    assert before.keys() == after.keys()
    assert not [key for key in before if before[key] is not after[key] and before[key] != after[key]]


class Parent:
    name = "inherited"


class Child(Parent):
    own = "own"


def test_what_was_inherited_is_inherited_again() -> None:
    patches = Patches()
    for _ in range(2):
        patches.set(Child, "name", "changed")
        patches.set(Child, "own", "changed")
        patches.set(Child, "new", "changed")
    assert (Child.name, Child.own) == ("changed", "changed")
    patches.restore()
    assert (Child.name, Child.own) == ("inherited", "own")
    assert {"name", "new"}.isdisjoint(vars(Child))
    patches.restore()
    assert Child.own == "own"
