"""Unmodified host code is recorded as it would launch, and compiled for a GPU that is not there."""

import builtins
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.errors import OutOfResources
from triton.tools.tensor_descriptor import TensorDescriptor

from recevolve.kernels.json_values import from_plain, to_plain
from recevolve.kernels.record.binary import assemble
from recevolve.kernels.record.compiling import GFX942, SM_90
from recevolve.kernels.record.launch_record import Buffer, Descriptor, Launch, Operation, Scalar
from recevolve.kernels.record.launches import offline, warm
from recevolve.kernels.record.load_source import load_program

pytestmark = pytest.mark.tritons

BLOCK = 64


@triton.jit
def add_kernel(x_ptr, y_ptr, out_ptr, n, step, scale, BLOCK: tl.constexpr, HOW: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    x = tl.load(x_ptr + at * step, mask=mask, other=0.0)
    y = tl.load(y_ptr + at * step, mask=mask, other=0.0)
    tl.store(out_ptr + at, x + y * scale, mask=mask)


def add(x: Tensor, y: Tensor, scale: float = 2.0) -> Tensor:
    out = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
    count = torch.zeros(1)
    grid = (triton.cdiv(x.numel(), BLOCK),)
    add_kernel[grid](
        x, y, out, x.numel(), x.stride(0), scale, BLOCK=BLOCK, HOW="plain", num_warps=2, num_stages=4
    )
    count.fill_(3)
    return out.view(-1)


def test_a_launch_is_recorded_with_all_that_it_was_given() -> None:
    memory = torch.randn(400)
    x, y = memory[:100], memory[200:300]
    with offline(assemble=False) as recorder:
        out = add(x, y)
    assert torch.equal(out, x + y * 2)
    (launch,) = recorder.launches
    assert (launch.kernel, launch.symbol, launch.target) == ("add_kernel", "add_kernel", "cuda:90")
    assert (launch.grid, launch.warps, launch.stages, launch.ctas, launch.programs) == ((2, 1, 1), 2, 4, 1, 2)
    given, made = (recorder.storage(each) for each in (x, out))
    assert launch.arguments == {
        "x_ptr": Buffer(given, 0, (100,), (1,), "float32"),
        "y_ptr": Buffer(given, 800, (100,), (1,), "float32"),
        "out_ptr": Buffer(made, 0, (100,), (1,), "float32"),
        "n": Scalar("i32", 100),
        "scale": Scalar("fp32", 2.0),
    }
    assert list(launch.arguments) == ["x_ptr", "y_ptr", "out_ptr", "n", "scale"]
    assert recorder.storages[given].bytes == 1600
    assert launch.constants == {"step": 1, "BLOCK": BLOCK, "HOW": "plain"}
    assert launch.signature["x_ptr"] == "*fp32"
    assert launch.hidden == 2
    assert ".target sm_90a" in launch.ptx
    assert launch.binary is None


def test_operations_say_what_torch_did_and_when() -> None:
    x, y = torch.randn(100), torch.randn(100)
    with offline(assemble=False, execute="none") as recorder:
        out = add(x, y)
        total = (out + x).sum()
    assert [(each.name, each.kind, each.value, each.launches) for each in recorder.operations] == [
        ("aten.empty.memory_format", "allocation", None, 0),
        ("aten.zeros.default", "fill", 0.0, 0),
        ("aten.fill_.Scalar", "fill", 3.0, 1),
        ("aten.view.default", "view", None, 1),
        ("aten.add.Tensor", "compute", None, 1),
        ("aten.sum.default", "compute", None, 1),
    ]
    origins = [each.origin for each in recorder.storages]
    assert origins[:2] == ["aten.empty.memory_format", "aten.zeros.default"]
    assert origins.count("given") == 2
    assert total.numel() == 1
    assert [
        from_plain(Operation, json.loads(json.dumps(to_plain(each)))) for each in recorder.operations
    ] == recorder.operations
    assert recorder.operations[0].outputs == (recorder.storage(out),)
    assert set(recorder.operations[4].inputs) == {recorder.storage(out), recorder.storage(x)}


def test_without_compiling_launches_are_interpreted_alone() -> None:
    x, y = torch.randn(100), torch.randn(100)
    with offline(compiles=False) as recorder:
        out = add(x, y)
    (launch,) = recorder.launches
    assert torch.equal(out, x + y * 2)
    assert (launch.ptx, launch.binary) == ("", None)
    assert recorder.written(out).all()


def test_storages_are_not_confused_when_memory_is_used_again() -> None:
    with offline(assemble=False) as recorder:
        for _ in range(5):
            add(torch.ones(64), torch.ones(64))
    outputs = [each.arguments["out_ptr"] for each in recorder.launches]
    assert len({each.storage for each in outputs}) == 5  # type: ignore[union-attr]


def test_an_empty_grid_launches_nothing() -> None:
    with offline(assemble=False) as recorder:
        out = add(torch.empty(0), torch.empty(0))
    assert out.numel() == 0
    (launch,) = recorder.launches
    assert launch.programs == 0
    assert launch.account is not None
    assert launch.account.programs == 0


@triton.jit
def tile_kernel(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    tile = at[:, None] * N + at[None, :]
    tl.store(out_ptr + tile, tl.dot(tl.load(x_ptr + tile), tl.load(y_ptr + tile)))


@pytest.mark.parametrize("target", [SM_90, GFX942])
def test_what_a_gpu_refuses_is_refused(target: Any) -> None:
    n = 256
    x = torch.zeros(n, n, dtype=torch.float16)
    with offline(target, assemble=False, execute="none") as recorder:
        with pytest.raises(OutOfResources, match="shared memory"):
            tile_kernel[(1,)](x, x.clone(), torch.zeros(n, n), N=n, num_warps=8)
        with pytest.raises(OutOfResources, match="threads"):
            tile_kernel[(1,)](x, x.clone(), torch.zeros(n, n), N=16, num_warps=64)
        with pytest.raises(ValueError, match="a grid has at most"):
            tile_kernel[(1, 65_536)](x, x, torch.zeros(n, n), N=16)
    assert not recorder.launches


def test_wrong_settings_and_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="all, sample, none"), offline(execute="some"):
        pass
    with pytest.raises(ValueError, match="at least 1"), offline(programs=0):
        pass
    with pytest.raises(ValueError, match="x_ptr is on meta"), offline(assemble=False):
        add(torch.empty(8, device="meta"), torch.empty(8))


@triton.autotune(configs=[triton.Config({"BLOCK": size}) for size in (16, 32, 128)], key=["n"])
@triton.heuristics({"EVEN": lambda args: args["n"] % args["BLOCK"] == 0})
@triton.jit
def tuned_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = None if EVEN else at < n
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=mask) * 2, mask=mask)


@pytest.mark.parametrize(("rank", "chosen"), [(None, 16), (lambda launches: launches[0].programs, 128)])
def test_autotuning_and_heuristics(rank: Callable[..., float] | None, chosen: int) -> None:
    x = torch.randn(100)
    out = torch.empty(100)
    with offline(assemble=False, rank=rank) as recorder:
        for _ in range(2):
            tuned_kernel[lambda meta: (triton.cdiv(100, meta["BLOCK"]),)](x, out, 100)
    assert torch.equal(out, x * 2)
    assert [each.constants["BLOCK"] for each in recorder.launches] == [chosen] * 2
    assert recorder.launches[0].constants["EVEN"] is False


@triton.jit
def described_kernel(source, out_ptr, M: tl.constexpr, K: tl.constexpr):
    row = tl.program_id(0) * M
    target = tl.make_tensor_descriptor(out_ptr, [100, K], [K, 1], [M, K])
    target.store([row, 0], source.load([row, 0]) * 2)


def test_tensor_descriptors_from_host_and_kernel() -> None:
    x, out = torch.randn(100, 32), torch.empty(100, 32)
    with offline(assemble=False) as recorder:
        source = TensorDescriptor.from_tensor(x, [16, 32])
        described_kernel[(7,)](source, out, M=16, K=32)
    assert torch.equal(out, x * 2)
    (launch,) = recorder.launches
    described = launch.arguments["source"]
    assert isinstance(described, Descriptor)
    assert (described.shape, described.block_shape, described.base.shape) == ((100, 32), (16, 32), (100, 32))
    assert launch.scratch_bytes > 0
    assert from_plain(Launch, json.loads(json.dumps(to_plain(launch)))) == launch


@triton.jit
def tuple_kernel(pointers, sizes, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(pointers[1] + at, tl.load(pointers[0] + at, mask=at < sizes[0], other=-1.0))


def test_tuples_are_taken_apart() -> None:
    x, out = torch.randn(BLOCK), torch.empty(BLOCK)
    with offline(assemble=False) as recorder:
        tuple_kernel[(1,)]((x, out), (40, 1), BLOCK=BLOCK)
    assert torch.equal(out[:40], x[:40])
    assert out[40:].eq(-1).all()
    assert list(recorder.launches[0].arguments) == ["pointers.0", "pointers.1", "sizes.0"]
    assert recorder.launches[0].hidden == 2


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return add(x, x, 1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return add(gradients[0], gradients[0], 1.0)


def test_launches_of_autograd_are_recorded_both_ways() -> None:
    x = torch.randn(32, requires_grad=True)
    with offline(assemble=False) as recorder:
        result = Doubled.apply(x)
        (gradient,) = torch.autograd.grad(result, x, torch.ones(32))
    assert torch.equal(result, x * 2)
    assert gradient.eq(2).all()
    assert len(recorder.launches) == 2


SOURCE = """
import torch
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=at < n) * 3.25, mask=at < n)


def forward(x):
    out = torch.empty_like(x)
    kernel[(triton.cdiv(x.numel(), 32),)](x, out, x.numel(), BLOCK=32)
    return out
"""


def test_without_assembling_nothing_is_started_written_or_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    warm()

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise PermissionError(f"refused: {arguments}")

    real = builtins.open

    def only_reading(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        return refuse(file, mode) if set(mode) & set("wax+") else real(file, mode, *arguments, **named)

    for owner, name in (
        (subprocess, "Popen"), (os, "fork"), (os, "posix_spawn"), (os, "mkdir"), (os, "makedirs"),
        (os, "rename"), (os, "replace"), (tempfile, "NamedTemporaryFile"), (tempfile, "mkdtemp"),
        (socket, "socket"), (Path, "mkdir"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr(builtins, "open", only_reading)
    module = load_program(SOURCE)
    x, threads = torch.randn(100), len(list(Path("/proc/self/task").iterdir()))
    with offline(assemble=False) as recorder:
        assert torch.equal(module.forward(x), x * 3.25)
    assert len(list(Path("/proc/self/task").iterdir())) == threads
    monkeypatch.undo()
    binary = assemble(recorder.launches[0].ptx, SM_90)
    assert binary.registers > 0


def test_a_compiled_kernel_answers_as_tritons_own_does() -> None:
    x = torch.randn(100)
    with offline(assemble=False, execute="none"):
        kernel = add_kernel[(2,)](x, x, x, 100, 1, 2.0, BLOCK=BLOCK, HOW="plain", num_warps=2)
        warmed = add_kernel.warmup(x, x, x, 100, 1, 2.0, BLOCK=BLOCK, HOW="plain", num_warps=2, grid=(2,))
    assert kernel is warmed
    assert kernel.metadata.num_warps == 2


def without(data: dict[str, Any], *path: str) -> dict[str, Any]:
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return data


def with_(data: dict[str, Any], value: Any, *path: str) -> dict[str, Any]:
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return data


@pytest.mark.process
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: without(data, "ptx"), "launch: lacks ptx"),
        (lambda data: with_(data, 1, "more"), "launch: knows no more"),
        (lambda data: with_(data, "4", "warps"), "launch.warps: expected int, got str"),
        (lambda data: with_(data, True, "warps"), "launch.warps: expected int, got bool"),
        (lambda data: with_(data, 2**70, "shared"), "launch.shared: expected an integer of at most 64 bits"),
        (lambda data: with_(data, [1, 1], "grid"), "launch.grid: expected 3 values, got 2"),
        (
            lambda data: with_(data, {"kind": "file"}, "arguments", "x_ptr"),
            r"launch.arguments.x_ptr: expected Buffer",
        ),
        (
            lambda data: with_(data, [1.5], "arguments", "x_ptr", "shape"),
            r"x_ptr.shape\[0\]: expected int, got float",
        ),
        (lambda data: with_(data, [[1]], "constants", "BLOCK"), r"constants.BLOCK: expected int or float"),
        (lambda data: with_(data, "much", "account", "programs"), "account.programs: expected int"),
        (lambda data: with_(data, None, "account", "traffic"), "account.traffic: expected dict"),
        (lambda data: with_(data, "?", "binary", "cubin"), "binary.cubin: expected base64"),
        (lambda data: [data], "launch: expected dict, got list"),
    ],
)
def test_records_that_are_none_are_refused_where_they_go_wrong(
    spoil: Callable[..., Any], message: str
) -> None:
    with offline() as recorder:
        add(torch.ones(8), torch.ones(8))
    data = json.loads(json.dumps(to_plain(recorder.launches[0])))
    assert from_plain(Launch, data) == recorder.launches[0]
    with pytest.raises(ValueError, match=message):
        from_plain(Launch, spoil(data))
