"""The least time an operator can take, whatever the program: its bytes or its operations, at the device's
rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..operators import Operator, Sizes
from .device import H100, Device

_PRECISIONS = {
    torch.float64: "fp64",
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
    torch.float8_e4m3fn: "fp8",
}


@dataclass(frozen=True)
class Work:
    """What an operator must do: floating-point operations, and bytes that must cross memory once."""

    flops: float
    bytes: float
    precision: str
    """Of the operands: fp64, fp32, bf16, fp16, fp8."""


def work(operator: Operator, sizes: Sizes, dtype: torch.dtype) -> tuple[Work, Work]:
    """(Forward, backward) of an operator at these sizes in this dtype."""
    precision = _PRECISIONS[dtype]
    counts = zip(operator.flops(sizes), operator.elements(sizes), operator.index_bytes(sizes), strict=True)
    forward, backward = (
        Work(flops, elements * dtype.itemsize + indices, precision) for flops, elements, indices in counts
    )
    return forward, backward


def seconds(works: Sequence[Work], device: Device = H100) -> float:
    """Seconds of the roofline, one after the other: for each the greater of bytes and operations."""
    return sum(
        max(each.bytes / device.dram_rate, each.flops / rate(each.precision, device)) for each in works
    )


def rate(precision: str, device: Device) -> float:
    """Operations a second that the precision allows.

    Float32 may use CUDA cores or, three products for one, tensor cores in tf32: whichever is faster.
    """
    if precision == "fp32":
        return max(device.float32_rate, device.tensor_rates["tf32"] / 3)
    return device.tensor_rates[precision]
