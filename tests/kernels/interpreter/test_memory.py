"""What a GPU would let pass in silence is seen: overruns, races, forgotten elements, wrapped offsets."""

import json
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor

from recevolve.kernels.interpreter.launch_account import RACES, Account
from recevolve.kernels.interpreter.memory import OutOfBounds
from recevolve.kernels.json_values import from_plain, to_plain
from recevolve.kernels.record.launch_record import Launch
from recevolve.kernels.record.launches import offline
from recevolve.kernels.record.recorder import Recorder

pytestmark = pytest.mark.tritons

BLOCK = 32


def run(kernel: Any, grid: tuple[int, ...], *arguments: Any, execute: str = "all", **named: Any) -> Recorder:
    with offline(assemble=False, execute=execute) as recorder:
        kernel[grid](*arguments, **named)
    return recorder


def account(recorder: Recorder) -> Account:
    found = recorder.launches[-1].account
    assert found is not None
    return found


def kinds(recorder: Recorder) -> set[str]:
    return {each.kind for each in account(recorder).issues}


@triton.jit
def scale_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr, MASKED: tl.constexpr, SHIFT: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < (n if MASKED else n + BLOCK)
    tl.store(out_ptr + at, tl.load(x_ptr + at + SHIFT, mask=mask, other=0.0) * 2, mask=mask)


def test_an_honest_kernel_has_no_issues() -> None:
    x, out = torch.randn(100), torch.empty(100)
    recorder = run(scale_kernel, (4,), x, out, 100, BLOCK=BLOCK, MASKED=True, SHIFT=0)
    found = account(recorder)
    assert torch.equal(out, x * 2)
    assert (found.issues, found.programs) == ((), 4)
    assert recorder.unwritten(out) == 0
    assert recorder.unwritten(x) == 100


@pytest.mark.parametrize("size", [100, 96])
def test_an_overrun_raises_before_memory_is_touched(size: int) -> None:
    memory = torch.zeros(256)
    x, out = torch.randn(128), memory[:size]
    with pytest.raises(OutOfBounds, match=r"scale_kernel, line \d+: program \d stores outside of out_ptr"):
        run(scale_kernel, (4,), x, out, 100, BLOCK=BLOCK, MASKED=False, SHIFT=0)
    assert not memory[size:].any()


@pytest.mark.parametrize("shift", [-1, 1, 1 << 40])
def test_a_load_outside_raises(shift: int) -> None:
    x = torch.randn(128)
    with pytest.raises(OutOfBounds, match=r"program \d loads outside of x_ptr"):
        run(scale_kernel, (4,), x, torch.empty(128), 128, BLOCK=BLOCK, MASKED=True, SHIFT=shift)


def test_the_memory_of_another_argument_is_outside_too() -> None:
    memory = torch.randn(4 * BLOCK)
    x, out = memory[:BLOCK], memory[BLOCK:]
    with pytest.raises(OutOfBounds, match="loads outside of x_ptr in 32 of 32 lanes"):
        run(scale_kernel, (1,), x, out, BLOCK, BLOCK=BLOCK, MASKED=True, SHIFT=BLOCK)


def test_masked_lanes_may_point_anywhere() -> None:
    x, out = torch.randn(1), torch.empty(1)
    assert not account(run(scale_kernel, (1,), x, out, 1, BLOCK=BLOCK, MASKED=True, SHIFT=0)).issues


@triton.jit
def rows_kernel(x_ptr, out_ptr, stride, row_stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    tl.store(out_ptr + row * row_stride + at * stride, tl.load(x_ptr + row * BLOCK + at))


def test_storing_between_the_elements_of_a_view_raises() -> None:
    x, memory = torch.randn(4, BLOCK), torch.zeros(4, 2 * BLOCK)
    out = memory[:, :BLOCK]
    run(rows_kernel, (4,), x, out, out.stride(1), out.stride(0), BLOCK=BLOCK)
    assert torch.equal(out, x)
    with pytest.raises(OutOfBounds, match="between the elements of out_ptr"):
        run(rows_kernel, (1,), x, out, 2, out.stride(0), BLOCK=BLOCK)


def test_of_a_view_its_own_elements_are_written() -> None:
    x, memory = torch.randn(4, BLOCK), torch.zeros(4, 2 * BLOCK)
    out = memory[:, :BLOCK]
    recorder = run(rows_kernel, (3,), x, out, out.stride(1), out.stride(0), BLOCK=BLOCK)
    assert recorder.written(out)[:3].all()
    assert recorder.unwritten(out) == BLOCK
    assert recorder.unwritten(memory) == 5 * BLOCK


def test_the_tail_that_nobody_writes_is_seen() -> None:
    x, out = torch.randn(100), torch.zeros(100)
    recorder = run(scale_kernel, (3,), x, out, 100, BLOCK=BLOCK, MASKED=True, SHIFT=0)
    assert recorder.written(out)[:96].all()
    assert recorder.unwritten(out) == 4


def test_what_is_written_adds_up_over_launches() -> None:
    x, out = torch.randn(128), torch.empty(128)
    with offline(assemble=False) as recorder:
        for part in (slice(0, 64), slice(64, 128)):
            scale_kernel[(2,)](x[part], out[part], 64, BLOCK=BLOCK, MASKED=True, SHIFT=0)
            assert recorder.unwritten(out) == 128 - part.stop


@triton.jit
def split_k_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr, HOW: tl.constexpr):
    at = tl.arange(0, BLOCK)
    part = tl.load(x_ptr + tl.program_id(0) * BLOCK + at)
    if HOW == "add":
        tl.store(out_ptr + at, tl.load(out_ptr + at) + part)
    elif HOW == "overwrite":
        tl.store(out_ptr + at, part)
    elif HOW == "atomic":
        tl.atomic_add(out_ptr + at, part)
    elif HOW == "atomic and read":
        tl.atomic_add(out_ptr + at, part)
        tl.store(x_ptr + tl.program_id(0) * BLOCK + at, tl.load(out_ptr + at))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("add", {"read-after-write", "write-write", "write-after-read"}),
        ("overwrite", {"write-write"}),
        ("atomic", {"float-atomics"}),
        ("atomic and read", {"float-atomics", "read-after-write", "write-after-read"}),
    ],
)
def test_split_k(how: str, expected: set[str]) -> None:
    out = torch.zeros(BLOCK)
    recorder = run(split_k_kernel, (4,), torch.randn(4 * BLOCK), out, 4, BLOCK=BLOCK, HOW=how)
    assert kinds(recorder) == expected
    assert all(each.line > 0 for each in account(recorder).issues)
    assert recorder.unwritten(out) == 0


@triton.jit
def neighbours_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    left = tl.load(x_ptr + at - 1, mask=at > 0, other=0.0)
    tl.store(out_ptr + at, left)


def test_overwriting_in_place_what_a_neighbour_reads_is_a_race() -> None:
    x, out = torch.randn(4 * BLOCK), torch.empty(4 * BLOCK)
    assert not kinds(run(neighbours_kernel, (4,), x, out, 4, BLOCK=BLOCK))
    assert kinds(run(neighbours_kernel, (4,), x, x, 4, BLOCK=BLOCK)) & set(RACES)


def test_one_program_may_do_with_its_own_as_it_likes() -> None:
    x = torch.randn(BLOCK)
    assert not kinds(run(neighbours_kernel, (1,), x, x, 1, BLOCK=BLOCK))


@triton.jit
def lanes_kernel(x_ptr, out_ptr, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(out_ptr + at // 2, tl.load(x_ptr + at))


@pytest.mark.parametrize(
    ("values", "expected"), [(torch.arange(BLOCK), "lanes-differ"), (torch.arange(BLOCK) // 2, "lanes-agree")]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_lanes_at_one_address(values: Tensor, expected: str, dtype: torch.dtype) -> None:
    out = torch.empty(BLOCK // 2, dtype=dtype)
    assert kinds(run(lanes_kernel, (1,), values.to(dtype), out, BLOCK=BLOCK)) == {expected}


@triton.jit
def far_kernel(x_ptr, out_ptr, stride, WIDE: tl.constexpr):
    row = tl.program_id(0)
    if WIDE:
        row = row.to(tl.int64)
    tl.store(out_ptr + row, tl.load(x_ptr + row * stride))


def lazily(elements: int) -> Tensor:
    """So many float32, of which only the pages that are touched take memory."""
    return torch.empty(elements)


def test_offsets_past_2_to_the_31_need_64_bits() -> None:
    rows, stride = 8, 1 << 29
    x, out = lazily((rows - 1) * stride + 1), torch.empty(rows)
    x[::stride] = torch.arange(rows).float()
    wide = run(far_kernel, (rows,), x, out, stride, WIDE=True)
    assert not kinds(wide)
    assert torch.equal(out, torch.arange(rows).float())
    with pytest.raises(OutOfBounds, match="int64"):
        run(far_kernel, (rows,), x, out, stride, WIDE=False)
    inside = run(far_kernel, (rows,), x[: (rows - 1) * stride + 1], out, stride, WIDE=True, execute="sample")
    assert account(inside).programs == 4


@triton.jit
def wrapped_kernel(x_ptr, out_ptr, a, b):
    tl.store(out_ptr, tl.load(x_ptr) + a * b + a + b)


def test_wrapping_integers_are_listed() -> None:
    x, out = torch.zeros(1, dtype=torch.int32), torch.empty(1, dtype=torch.int32)
    assert kinds(run(wrapped_kernel, (1,), x, out, 1 << 20, 1 << 20)) == {"overflow"}
    assert not kinds(run(wrapped_kernel, (1,), x, out, 1 << 10, 1 << 20))


@triton.jit
def stride_kernel(x_ptr, out_ptr, BLOCK: tl.constexpr, STRIDE: tl.constexpr):
    at = tl.arange(0, BLOCK)
    base = tl.program_id(0) * 0
    tl.store(out_ptr + tl.program_id(0) * BLOCK + at, tl.load(x_ptr + base + at * STRIDE))


@pytest.mark.parametrize(("stride", "sectors"), [(1, 4), (2, 8), (8, 32), (16, 32)])
def test_sectors_show_what_is_not_coalesced(stride: int, sectors: int) -> None:
    x = torch.randn(BLOCK * stride + 8)
    x = x[(-x.data_ptr() % 32) // 4 :]
    found = account(run(stride_kernel, (3,), x, torch.empty(3 * BLOCK), BLOCK=BLOCK, STRIDE=stride))
    moved = found.traffic["x_ptr"]
    assert moved.load_lanes == 3 * BLOCK * 4
    assert moved.load_sectors == 3 * sectors * 32
    assert moved.unique_load == sectors * 32
    assert found.traffic["out_ptr"].store_lanes == found.total("store_lanes") == 3 * BLOCK * 4


def test_a_sample_accounts_for_a_few_programs_of_many() -> None:
    x, out = torch.randn(1 << 16), torch.zeros(1 << 16)
    one, other = (
        run(scale_kernel, (2048,), x, out, 1 << 16, execute="sample", BLOCK=BLOCK, MASKED=True, SHIFT=0)
        for _ in range(2)
    )
    found = account(one)
    assert found == account(other)
    assert (found.programs, one.launches[-1].programs) == (4, 2048)
    assert found.total("load_lanes") * 2048 == x.numel() * 4 * 4
    touched = out.reshape(4, -1).ne(0).sum(1)
    assert torch.equal(touched, torch.full((4,), BLOCK))
    assert one.written(out).sum() == 4 * BLOCK


def test_views_that_overlap_are_one_region() -> None:
    x = torch.zeros(64)
    recorder = run(neighbours_kernel, (1,), x[:BLOCK], x[8 : 8 + BLOCK], 1, BLOCK=BLOCK)
    assert set(account(recorder).traffic) == {"x_ptr+out_ptr"}
    assert (recorder.unwritten(x[:BLOCK]), recorder.unwritten(x[8 : 8 + BLOCK])) == (8, 0)


@triton.jit
def lock_kernel(lock_ptr, out_ptr):
    while tl.atomic_cas(lock_ptr, 0, 1) == 1:
        pass
    tl.store(out_ptr, tl.load(out_ptr) + 1)
    tl.atomic_xchg(lock_ptr, 0)


def test_locks_are_named_as_what_cannot_be_judged() -> None:
    out = torch.zeros(1)
    recorder = run(lock_kernel, (3,), torch.zeros(1, dtype=torch.int32), out)
    assert out.item() == 3
    assert "lock" in kinds(recorder)


def test_accounts_survive_json() -> None:
    recorder = run(split_k_kernel, (4,), torch.randn(128), torch.zeros(BLOCK), 4, BLOCK=BLOCK, HOW="add")
    launch = recorder.launches[0]
    assert from_plain(Launch, json.loads(json.dumps(to_plain(launch)))) == launch
    assert launch.account is not None
    assert launch.account.issues


@triton.jit
def order_kernel(counter_ptr, out_ptr):
    turn = tl.atomic_add(counter_ptr, 1)
    tl.store(out_ptr + tl.program_id(0), turn)


def test_programs_run_in_an_order_that_the_seed_decides() -> None:
    def order(seed: int) -> list[int]:
        out = torch.empty(16, dtype=torch.int32)
        with offline(assemble=False, seed=seed):
            order_kernel[(16,)](torch.zeros(1, dtype=torch.int32), out)
        return out.tolist()

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == list(range(16)) != order(0)
