"""What interpreting a launch has shown: traffic, work, and what is wrong with it. Plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RACES = ("read-after-write", "write-after-read", "write-write", "lanes-differ")
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
    """Sums over the programs that were interpreted; times `launch.programs / programs` for the launch."""

    programs: int
    traffic: Mapping[str, Traffic]
    """By argument."""
    tensor_flops: Mapping[str, int]
    """Of `tl.dot`, by what multiplies: "tf32", "tf32x3", "ieee", "bf16", "fp16", "fp8", "int8", "fp64"."""
    lines: Sequence[tuple[str, int, float]]
    """(file, line, executions in one program), the mean over the first two programs."""
    issues: Sequence[Issue] = ()

    def total(self, what: str) -> int:
        """The sum over arguments of a field of Traffic, in bytes."""
        return sum(getattr(each, what) for each in self.traffic.values())
