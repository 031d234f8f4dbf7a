"""The interpreter has the numbers of a GPU: rounding, precision, NaN, control flow."""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from recevolve.kernels.record.launches import offline
from recevolve.kernels.record.load_source import load_program

pytestmark = pytest.mark.tritons

N = 256
SCALE = tl.constexpr(3)


@pytest.fixture
def offline_all() -> Iterator[Any]:
    with offline(assemble=False) as recorder:
        yield recorder


def values(seed: int, dtype: torch.dtype = torch.float32, count: int = N) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)).to(dtype)


def awkward() -> Tensor:
    """Ties, neighbours of ties, subnormals, the largest numbers, infinities, NaN, zeros; and random ones."""
    bits = [
        0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x00000001, 0x00008000, 0x7F7FFFFF, 0x7F800000,
        0xFF800000, 0x7FC00000, 0x80000000, 0x7F7F7FFF, 0x00400000,
    ]  # fmt: skip
    chosen = torch.tensor(bits).to(torch.uint32).view(torch.float32)
    return torch.cat([chosen, values(0, count=N - len(bits)) * 100])


@triton.jit
def cast_kernel(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(out_ptr + at, tl.load(x_ptr + at).to(out_ptr.dtype.element_ty))


@triton.jit
def binary_kernel(x_ptr, y_ptr, out_ptr, N: tl.constexpr, OP: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    y = tl.load(y_ptr + at)
    if OP == "add":
        z = x + y
    elif OP == "sub":
        z = x - y
    elif OP == "mul":
        z = x * y
    elif OP == "div":
        z = x / y
    elif OP == "neg":
        z = -x
    elif OP == "max":
        z = tl.maximum(x, y)
    elif OP == "min":
        z = tl.minimum(x, y)
    elif OP == "greater":
        z = (x > y).to(tl.float32)
    elif OP == "where":
        z = tl.where(x > y, x, 1.5)
    tl.store(out_ptr + at, z)


@triton.jit
def reduce_kernel(x_ptr, out_ptr, M: tl.constexpr, K: tl.constexpr, OP: tl.constexpr):
    rows = tl.arange(0, M)
    x = tl.load(x_ptr + rows[:, None] * K + tl.arange(0, K)[None, :])
    if OP == "sum":
        z = tl.sum(x, axis=1)
    elif OP == "max":
        z = tl.max(x, axis=1)
    elif OP == "argmax":
        z = tl.argmax(x, axis=1)
    elif OP == "method":
        z = x.sum(axis=1)
    elif OP == "all":
        z = tl.sum(x) + rows * 0
    tl.store(out_ptr + rows, z)


@triton.jit
def dot_kernel(x_ptr, y_ptr, out_ptr, M: tl.constexpr, P: tl.constexpr):
    rows = tl.arange(0, M)
    at = rows[:, None] * M + rows[None, :]
    x = tl.load(x_ptr + at)
    y = tl.load(y_ptr + at)
    z = tl.dot(x, y) if P == "default" else tl.dot(x, y, input_precision=P)
    tl.store(out_ptr + at, z)


BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": lambda x, y: -x,
    "max": torch.fmax,
    "min": torch.fmin,
    "greater": lambda x, y: (x > y).to(x.dtype),
    "where": lambda x, y: torch.where(x > y, x, 1.5),
}


def binary(x: Tensor, y: Tensor, op: str) -> Tensor:
    out = torch.empty_like(x)
    binary_kernel[(1,)](x, y, out, N=N, OP=op)
    return out


def same(got: Tensor, expected: Tensor) -> None:
    assert torch.equal(
        torch.nan_to_num(got.double(), nan=12345.0), torch.nan_to_num(expected.double(), nan=12345.0)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_are_rounded_after_each_operation(offline_all: Any, dtype: torch.dtype) -> None:
    x, y = awkward().to(dtype), values(2, dtype)
    for op, reference in BINARY.items():
        same(binary(x, y, op), reference(x, y))


def test_minimum_prefers_numbers(offline_all: Any) -> None:
    x, y = torch.full((N,), torch.nan), values(3)
    for op in ("min", "max"):
        same(binary(x, y, op), y)


@pytest.mark.parametrize("source", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("target", [torch.float32, torch.bfloat16, torch.float16])
def test_casts_round_to_nearest_even(offline_all: Any, source: torch.dtype, target: torch.dtype) -> None:
    x = awkward().to(source)
    out = torch.empty(N, dtype=target)
    cast_kernel[(1,)](x, out, N=N)
    same(out, x.to(target))


def test_integers_saturate_and_nan_is_zero(offline_all: Any) -> None:
    x = torch.tensor([1e30, -1e30, torch.nan, 2.9, -2.9, torch.inf, 2.0**31, -(2.0**31)])
    for dtype in (torch.int32, torch.int64, torch.int8):
        out, most, least = torch.empty(8, dtype=dtype), torch.iinfo(dtype).max, torch.iinfo(dtype).min
        cast_kernel[(1,)](x, out, N=8)
        expected = [most, least, 0, 2, -2, most, min(2**31, most), max(-(2**31), least)]
        assert out.tolist() == expected


@pytest.mark.parametrize("target", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_float8_rounds_and_saturates(offline_all: Any, target: torch.dtype) -> None:
    x, most = awkward(), torch.finfo(target).max
    out, back = torch.empty(N, dtype=target), torch.empty(N)
    cast_kernel[(1,)](x, out, N=N)
    cast_kernel[(1,)](out, back, N=N)
    same(back, x.clamp(-most, most).to(target).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("op", ["sum", "method", "max", "argmax", "all"])
def test_reductions(offline_all: Any, dtype: torch.dtype, op: str) -> None:
    x = values(4, dtype).reshape(8, 32)
    out = torch.empty(8, dtype=torch.int32 if op == "argmax" else dtype)
    reduce_kernel[(1,)](x, out, M=8, K=32, OP=op)
    if op in ("max", "argmax"):
        assert torch.equal(out, (x.amax(1) if op == "max" else x.argmax(1)).to(out.dtype))
        return
    exact = x.double().sum().expand(8) if op == "all" else x.double().sum(1)
    steps = 8 if op == "all" else 5
    bound = (
        steps
        * torch.finfo(dtype).eps
        / 2
        * (x.double().abs().sum() if op == "all" else x.double().abs().sum(1))
    )
    assert ((out.double() - exact).abs() <= bound).all()


PRECISIONS = {
    "ieee": (0.0, 1e-6),
    "tf32x3": (0.0, 1e-6),
    "bf16x6": (0.0, 2e-6),
    "bf16x3": (1e-6, 1e-4),
    "tf32": (1e-4, 2e-3),
}
"""Relative error in the norm, (more than, less than)."""


@pytest.mark.parametrize("precision", PRECISIONS)
def test_dot_has_the_precision_that_it_names(offline_all: Any, precision: str) -> None:
    x, y = values(5, count=4096).reshape(64, 64), values(6, count=4096).reshape(64, 64)
    out = torch.empty(64, 64)
    dot_kernel[(1,)](x, y, out, M=64, P=precision)
    exact = x.double() @ y.double()
    low, high = PRECISIONS[precision]
    assert low < float((out - exact).norm() / exact.norm()) < high
    assert offline_all.launches[-1].account.tensor_flops == {precision: 2 * 64**3}


def test_dot_of_float32_is_tf32_by_default(offline_all: Any) -> None:
    x, y = values(5, count=4096).reshape(64, 64), values(6, count=4096).reshape(64, 64)
    default, named = torch.empty(64, 64), torch.empty(64, 64)
    dot_kernel[(1,)](x, y, default, M=64, P="default")
    dot_kernel[(1,)](x, y, named, M=64, P="tf32")
    assert torch.equal(default, named)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_dot_of_sixteen_bits_sums_in_float32(offline_all: Any, dtype: torch.dtype) -> None:
    x, y = values(5, dtype, 4096).reshape(64, 64), values(6, dtype, 4096).reshape(64, 64)
    out = torch.empty(64, 64)
    dot_kernel[(1,)](x, y, out, M=64, P="default")
    exact = x.double() @ y.double()
    assert float((out - exact).norm() / exact.norm()) < 1e-6


@triton.jit
def functions_kernel(x_ptr, out_ptr, N: tl.constexpr, OP: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    if OP == "math":
        z = tl.exp(x) + tl.sqrt(x * x) + tl.rsqrt(x * x + 1) + tl.math.erf(x) + tl.sigmoid(x)
    elif OP == "fma":
        z = tl.fma(x, x, x)
    elif OP == "clamp":
        z = tl.clamp(x, -0.5, 0.5)
    tl.store(out_ptr + at, z)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "math": lambda x: x.exp() + x.abs() + (x * x + 1).rsqrt() + x.erf() + x.sigmoid(),
    "fma": lambda x: x * x + x,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
}


@pytest.mark.parametrize("op", FUNCTIONS)
def test_functions(offline_all: Any, op: str) -> None:
    x, out = values(7), torch.empty(N)
    functions_kernel[(1,)](x, out, N=N, OP=op)
    torch.testing.assert_close(out.double(), FUNCTIONS[op](x.double()), rtol=2e-6, atol=1e-6)


@triton.jit
def bf16_atomic_kernel(x_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.atomic_add(out_ptr + at // 2, tl.load(x_ptr + at), mask=at < N - 2)


def test_bfloat16_atomics_add_lane_by_lane(offline_all: Any) -> None:
    x, out = values(8, torch.bfloat16), torch.zeros(N // 2, dtype=torch.bfloat16)
    bf16_atomic_kernel[(1,)](x, out, N=N)
    expected = x[0::2] + x[1::2]
    expected[-1] = 0
    assert torch.equal(out, expected)


@triton.jit
def helper(x, FACTOR: tl.constexpr):
    return x * FACTOR + SCALE


@triton.jit
def flow_kernel(x_ptr, out_ptr, n, scale, BLOCK: tl.constexpr):
    acc = tl.zeros((BLOCK,), tl.int64)
    at = tl.arange(0, BLOCK)
    for k in range(0, n, BLOCK):
        offset = k.to(tl.int64) + at
        acc += tl.load(x_ptr + offset, mask=offset < n, other=0)
    for k in tl.range(2):
        acc += k
    for k in tl.static_range(2):
        acc += k
    left = n
    while left > 4:
        left = left // 2
    if not (left > 4) and (n > 0 or scale > 1.0):
        acc += helper(left, FACTOR=10)
    acc = (acc.to(tl.float32) * scale).to(tl.int64) if scale > 0.5 else acc
    tl.store(out_ptr + at, acc)


def test_control_flow(offline_all: Any) -> None:
    x, out = torch.arange(37), torch.empty(16, dtype=torch.int64)
    flow_kernel[(1,)](x, out, 37, 1.0, BLOCK=16)
    padded = torch.cat([x, torch.zeros(11, dtype=torch.int64)]).reshape(3, 16).sum(0)
    assert torch.equal(out, padded + 1 + 1 + 4 * 10 + 3)


@triton.jit
def longest(value_a, index_a, value_b, index_b):
    better = value_b > value_a
    return tl.where(better, value_b, value_a), tl.where(better, index_b, index_a)


@triton.jit
def compose(scale_a, shift_a, scale_b, shift_b):
    return scale_a * scale_b, shift_a * scale_b + shift_b


@triton.jit
def generic_kernel(x_ptr, best_ptr, scan_ptr, back_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    _, index = tl.reduce((x, at), 0, longest)
    tl.store(best_ptr, index)
    _, shift = tl.associative_scan((x, x + 1), 0, compose)
    tl.store(scan_ptr + at, shift)
    tl.store(back_ptr + at, tl.cumsum(x, 0, reverse=True))


def test_reductions_and_scans_of_the_kernels_own_functions(offline_all: Any) -> None:
    x = values(9, count=32) * 0.9
    best, scanned, back = torch.empty(1, dtype=torch.int32), torch.empty(32), torch.empty(32)
    generic_kernel[(1,)](x, best, scanned, back, N=32)
    state, expected = 0.0, []
    for each in x.tolist():
        state = state * each + each + 1
        expected.append(state)
    assert best.item() == x.argmax()
    torch.testing.assert_close(scanned, torch.tensor(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(back, x.flip(0).cumsum(0).flip(0), rtol=1e-5, atol=1e-6)


def test_compiled_and_interpreted_take_turns(offline_all: Any) -> None:
    x = values(10)
    results = []
    for n in (64, 128, 64):
        out = torch.zeros(N)
        cast_kernel[(1,)](x, out, N=n)
        results.append((offline_all.launches[-1].ptx, out))
    assert results[0][0] == results[2][0] != results[1][0]
    for n, (_, out) in zip((64, 128, 64), results, strict=True):
        assert torch.equal(out[:n], x[:n])
        assert not out[n:].any()


def test_the_text_of_a_program_is_enough() -> None:
    source = inspect.cleandoc(
        """
        import triton
        import triton.language as tl

        FACTOR = tl.constexpr(2.5)

        @triton.jit
        def kernel(x_ptr, N: tl.constexpr):
            at = tl.arange(0, N)
            tl.store(x_ptr + at, tl.load(x_ptr + at) * FACTOR)
        """
    )
    module: ModuleType = load_program(source, "<candidate>")
    x = torch.ones(16)
    with offline(assemble=False) as recorder:
        module.kernel[(1,)](x, N=16)
    assert x.eq(2.5).all()
    assert (("<candidate>", 9)) in {(file, line) for file, line, _ in recorder.launches[0].account.lines}
