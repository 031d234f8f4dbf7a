"""What interpreting a launch has shown: traffic, work, and what is wrong with it. Plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RACES = (
    "read-after-write",
    "write-after-read",
    "write-write",
    "lanes-differ",
)
"""Kinds of issues that make a result depend on the order of programs or lanes."""


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong, or may be.

    `kind` is one of RACES; "lanes-agree" (two lanes of one store write the same value to one address);
    "overflow" (a signed 32-bit integer wrapped around); "float-atomics" (a sum depends on the order of
    programs); or "lock" (compare-and-swap: races around it cannot be judged here).
    """

    kind: str
    argument: str
    """The kernel's argument whose memory it is; empty for arithmetic."""
    program: int
    """Linear number of the program that showed it first."""
    line: int
    """Of the kernel's file; 0 where it is not known."""
    detail: str


@dataclass(frozen=True)
class Coverage:
    """How much of an argument the launch has written. Whole only where every program was interpreted."""

    argument: str
    storage: int
    elements: int
    written: int
    first_missing: int
    """Index, in the order of the tensor's elements, of the first one not written; -1: none is missing."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one argument that the interpreted programs moved.

    Sectors are 32 bytes. `…_sectors` counts a sector once for each tile access that touches it,
    `program_…` once for each program that does, `unique_…` once for all of them.
    """

    load_lanes: int = 0
    load_sectors: int = 0
    store_lanes: int = 0
    store_sectors: int = 0
    atomic_sectors: int = 0
    unique_load: int = 0
    unique_store: int = 0
    program_load: int = 0
    program_store: int = 0


@dataclass(frozen=True)
class Account:
    """Sums over the programs that were interpreted; scale by `grid_programs / programs` for the launch."""

    programs: int
    grid_programs: int
    traffic: Mapping[str, Traffic]
    """By argument."""
    tensor_flops: Mapping[str, int]
    """Of `tl.dot`, by what multiplies: "tf32", "tf32x3", "ieee", "bf16", "fp16", "fp8", "int8", "fp64"."""
    flops: int
    """Other floating-point operations, one for each element."""
    special: int
    """Exponentials, roots and the like, one for each element."""
    loads: int
    stores: int
    atomics: int
    dots: int
    """Tile operations."""
    lines: Sequence[tuple[str, int, float]]
    """(file, line, executions in one program), the mean over the first two programs."""
    issues: Sequence[Issue] = ()
    coverage: Sequence[Coverage] = ()

    def total(self, what: str) -> int:
        """The sum over arguments of a field of Traffic, in bytes."""
        return sum(getattr(each, what) for each in self.traffic.values())

    @property
    def scale(self) -> float:
        """What the sums are multiplied by to speak of the whole grid."""
        return self.grid_programs / self.programs if self.programs else 0.0


@dataclass
class Tally:
    """Counts of one launch while it is interpreted, under their names in `Account`."""

    tensor_flops: dict[str, int] = field(default_factory=dict)
    flops: int = 0
    special: int = 0
    loads: int = 0
    stores: int = 0
    atomics: int = 0
    dots: int = 0
