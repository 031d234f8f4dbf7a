"""A launch as plain values: what a machine with a GPU needs to repeat it on buffers of its own.

`json_values.to_plain` makes JSON of it, `from_plain` reads that back and checks every type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..interpreter.launch_account import Account
from .binary import Binary


@dataclass(frozen=True)
class Storage:
    """One allocation. `id` counts storages in the order in which the recorder met them."""

    id: int
    bytes: int
    origin: str
    """"given" from outside, or the name of the operation that made it, such as "aten.empty.memory_format"."""


@dataclass(frozen=True)
class Buffer:
    """A tensor that a kernel is given."""

    KIND: ClassVar = "buffer"

    storage: int
    offset: int
    """Bytes from the start of the storage."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""
    dtype: str
    """As torch calls it: "bfloat16"."""


@dataclass(frozen=True)
class Scalar:
    """A number that a kernel is given."""

    KIND: ClassVar = "scalar"

    type: str
    """Triton's name: "i32", "i64", "u1", "fp32"."""
    value: int | float | bool


@dataclass(frozen=True)
class Descriptor:
    """A tensor descriptor made by the host."""

    KIND: ClassVar = "descriptor"

    base: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    block_shape: tuple[int, ...]
    padding: str


Argument = Buffer | Scalar | Descriptor
Constant = int | float | bool | str | None


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel.

    To repeat it: pass the `arguments` in their order, then `hidden` pointers, null but for the first one
    where `scratch_bytes` is above zero; it then points to so many bytes for every program.
    """

    kernel: str
    """Name of the Python function."""
    symbol: str
    """Name in `ptx`."""
    target: str
    """"cuda:90" or "hip:gfx942"."""
    grid: tuple[int, int, int]
    warps: int
    stages: int
    ctas: int
    shared: int
    """Bytes of dynamic shared memory."""
    scratch_bytes: int
    hidden: int
    """Parameters after the arguments; -1 where the text does not say (amdgcn)."""
    signature: Mapping[str, str]
    constants: Mapping[str, Constant]
    """Compile-time constants, and numbers that are constants because they are 1. Types by their names."""
    arguments: Mapping[str, Argument]
    """In the kernel's order; parts of a tuple as "name.0"."""
    ptx: str
    """The assembly text: PTX, or amdgcn where the target is AMD."""
    binary: Binary | None = None
    account: Account | None = None

    @property
    def programs(self) -> int:
        """Of the whole grid."""
        return self.grid[0] * self.grid[1] * self.grid[2]

    def storages(self, name: str) -> set[int]:
        """Under what an account calls so: an argument, or several that overlap, joined by +; -1: none."""
        return {getattr(self.arguments.get(part), "storage", -1) for part in name.split("+")}


@dataclass(frozen=True)
class Operation:
    """One thing that torch did while launches were recorded."""

    name: str
    """"aten.empty.memory_format"."""
    kind: str
    """"allocation" (contents undefined), "fill" (one number), "view", "copy" (moves numbers) or "compute"."""
    inputs: Sequence[int]
    """Storages."""
    outputs: Sequence[int]
    value: float | None = None
    """Of a fill."""
    launches: int = 0
    """How many launches came before it."""
