"""Replays recorded launches on memory of its own: what a program did, without the program."""

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..gate.layouts import bits
from ..gpu_queue.queue import Argument, Entry, Pass
from .cuda import Driver

_INTEGERS = {
    "i1": ctypes.c_int32,
    "i8": ctypes.c_int8,
    "i16": ctypes.c_int16,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "u1": ctypes.c_uint32,
    "u8": ctypes.c_uint8,
    "u16": ctypes.c_uint16,
    "u32": ctypes.c_uint32,
    "u64": ctypes.c_uint64,
}
"""As Triton's own launcher packs them (triton/backends/nvidia/driver.c): a truth value as 32 bits."""


@dataclass
class Attempt:
    """The subject on one set of inputs. Calling it enqueues its work."""

    inputs: Sequence[Tensor]
    run: Callable[[], tuple[Tensor, ...]]
    outputs: tuple[Tensor, ...] = ()
    """Of the last call."""
    scratch: tuple[Tensor, ...] = ()
    """Other memory that it writes to, where that is known."""

    def __call__(self) -> tuple[Tensor, ...]:
        self.outputs = self.run()
        return self.outputs

    def poison(self) -> None:
        """Fills outputs and scratch with bytes that make NaN of every float."""
        for tensor in (*self.outputs, *self.scratch):
            bits(tensor).fill_(0xFF)


def pack(arguments: Sequence[Argument], addresses: Sequence[int]) -> list["ctypes._SimpleCData[Any]"]:
    """The parameters of a kernel as C values. `addresses` are those of the pass's buffers, in order.

    Raises ValueError for a type that no parameter has.
    """
    return [_pack_one(argument, addresses) for argument in arguments]


def _pack_one(argument: Argument, addresses: Sequence[int]) -> "ctypes._SimpleCData[Any]":
    if argument.is_address:
        return ctypes.c_uint64(addresses[argument.buffer] + argument.offset)
    if argument.type in _INTEGERS:
        return _INTEGERS[argument.type](int(argument.value))
    if argument.type in ("fp32", "f32"):
        return ctypes.c_float(argument.value)
    if argument.type == "fp64":
        return ctypes.c_double(argument.value)
    if argument.type == "fp16":
        return ctypes.c_uint16(struct.unpack("<H", struct.pack("<e", argument.value))[0])
    if argument.type == "bf16":
        bits = torch.tensor(argument.value, dtype=torch.bfloat16).view(torch.int16)
        return ctypes.c_uint16(int(bits) & 0xFFFF)
    raise ValueError(f"expected an address, an integer or a float, got a parameter of type {argument.type!r}")


def prepare(
    entry: Entry,
    direction: str,
    inputs: Sequence[Tensor],
    launcher: Driver,
    handles: Mapping[tuple[str, str], Any],
) -> Attempt:
    """A replay of one direction of `entry`. `inputs` are the operator's, and for backward the gradient last.

    A call enqueues its fills and launches. `handles` are `loaded`. Raises ValueError where inputs are not
    what the entry was recorded with.
    """
    whole = entry.passes[direction]
    memory = [_memory(whole, index, inputs, direction) for index in range(len(whole.buffers))]
    addresses = [tensor.data_ptr() for tensor in memory]
    launches: list[Any] = []
    scratch = [each for each, buffer in zip(memory, whole.buffers, strict=True) if buffer.role == "scratch"]
    for step in whole.steps:
        size = step.scratch * prod(step.grid)
        scratch.append(torch.empty(size, dtype=torch.uint8, device=inputs[0].device))
        hidden = [ctypes.c_uint64(scratch[-1].data_ptr() if size else 0), ctypes.c_uint64(0)]
        parameters = (*pack(step.arguments, addresses), *hidden[: step.hidden])
        handle = handles[step.cubin or step.ptx, step.kernel]
        launches.append((handle, step.grid, step.warps * 32, step.shared, parameters))
    outputs = tuple(
        memory[each.buffer].view(getattr(torch, each.dtype)).as_strided(each.shape, each.strides)
        for each in whole.outputs
    )

    def run() -> tuple[Tensor, ...]:
        for tensor, buffer in zip(memory, whole.buffers, strict=True):
            if buffer.zeroed:
                tensor.zero_()
        for launch in launches:
            launcher.launch(*launch)
        return outputs

    return Attempt(inputs, run, outputs, tuple(scratch))


def _memory(whole: Pass, index: int, inputs: Sequence[Tensor], direction: str) -> Tensor:
    buffer = whole.buffers[index]
    if buffer.role in ("output", "scratch"):
        return torch.empty(buffer.bytes, dtype=torch.uint8, device=inputs[0].device)
    tensor = inputs[-1] if buffer.role == "grad" else inputs[buffer.index]
    got = tensor.numel() * tensor.element_size()
    if not tensor.is_contiguous() or got != buffer.bytes:
        raise ValueError(
            f"{direction}: {buffer.role} {buffer.index} had {buffer.bytes} bytes when recorded and has "
            f"{got} here: the operator has changed since, record the program again"
        )
    return tensor


def loaded(entry: Entry, launcher: Driver, assembled: str) -> dict[tuple[str, str], Any]:
    """Handles by (digest of the cubin, or of the PTX where there is none; kernel).

    With `assembled` "ptx" the driver assembles the text even where there is a cubin, which is then one for
    another device. Raises LaunchRefused.
    """
    handles: dict[tuple[str, str], Any] = {}
    for step in entry.steps:
        key = (step.cubin or step.ptx, step.kernel)
        if key not in handles:
            text = assembled == "ptx" or not step.cubin
            code = entry.code[step.ptx] + b"\0" if text else entry.code[step.cubin]
            handles[key] = launcher.load(code, step.kernel, step.shared)
    return handles
