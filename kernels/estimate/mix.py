"""What one program of a launch executes: the instructions of its binary, weighted by how often they ran.

A binary says which instructions there are and which lie in a loop; the interpreter says how often the source
line behind each of them ran. Their product is what a warp executes, once two things are put right: an
unrolled loop holds the instructions of several trips, and lines of inlined functions may have no count of
their own.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..record.binary import Instruction, Source
from .device import PIPES, SHARED_RATE

_PIPE_OF = {opcode: pipe for pipe, (_, opcodes) in PIPES.items() for opcode in opcodes}
_SHAPES = {
    "16816": (16, 8, 16),
    "1688": (16, 8, 8),
    "1684": (16, 8, 4),
    "16832": (16, 8, 32),
    "16864": (16, 8, 64),
    "8816": (8, 8, 16),
    "884": (8, 8, 4),
}
_LOADS = {"LDG", "LD"}
_COPIES = {"LDGSTS", "UTMALDG", "UBLKCP"}
_SPILLS = {"LDL", "STL"}
_SHARED = {"LDS", "STS", "LDSM", "STSM"}
_MEMORY = {*_LOADS, "STG", "ST", *_SHARED, "LDGSTS", *_SPILLS, "ATOM", "ATOMG", "ATOMS", "RED"}
_BARRIERS = {"BAR", "SYNCS", "WARPSYNC"}
_NOTHING = {"NOP"}
"""What pads the end of a program."""
_STRAIGHT = -1


@dataclass(frozen=True)
class Product:
    """One tensor core instruction, as one warp sees it."""

    precision: str
    flops: float
    """Of one warp: a `wgmma` of four warps counts a quarter for each."""
    group: bool
    """Four warps together, operands from shared memory (`wgmma`)."""
    shared: float
    """Bytes of shared memory that it reads, for one warp."""


@dataclass(frozen=True)
class Segment:
    """Straight code, or the body of one loop without the loops inside it: counts of one warp and one trip."""

    trips: float = 1.0
    instructions: float = 0.0
    pipes: Mapping[str, float] = field(default_factory=dict)
    memory_cycles: float = 0.0
    """Clocks of a multiprocessor's path to shared memory and L1."""
    loads: float = 0.0
    """Global loads whose result a register waits for."""
    load_bytes: float = 0.0
    copies: float = 0.0
    """Global loads into shared memory, which nothing waits for until stages later."""
    spills: float = 0.0
    spill_bytes: float = 0.0
    barriers: float = 0.0
    products: Mapping[Product, float] = field(default_factory=dict)
    looped: bool = False

    @property
    def product_flops(self) -> float:
        return sum(product.flops * count for product, count in self.products.items())


@dataclass(frozen=True)
class Body:
    """Instructions that run equally often: one trip of them, and the source lines they are from."""

    once: Segment
    sources: frozenset[Source]


def bodies(instructions: Iterable[Instruction]) -> tuple[Body, ...]:
    """Straight code first, then each loop without the loops inside it."""
    found: dict[int, list[Instruction]] = defaultdict(list)
    for instruction in instructions:
        if instruction.opcode not in _NOTHING:
            found[instruction.loops[-1] if instruction.loops else _STRAIGHT].append(instruction)
    straight = _body(found.pop(_STRAIGHT, []), looped=False)
    return (straight, *(_body(each, looped=True) for _, each in sorted(found.items())))


def segments(
    code: Sequence[Body], lines: Mapping[Source, float], warps: int, dot_flops: float, load_bytes: float
) -> tuple[Segment, ...]:
    """What one warp of one program executes, in the order of `bodies`.

    `lines`: executions of each source line by one program. `dot_flops` and `load_bytes` of one program, as
    the interpreter counted them, tell how far loops were unrolled: their trips are divided by the power of
    two nearest to what the binary would do too much. Matrix products tell where there are some, loads
    otherwise.
    """
    straight, *looped = code
    trips = [max([1.0, *(lines[each] for each in body.sources if each in lines)]) for body in looped]
    loops = [replace(body.once, trips=count) for body, count in zip(looped, trips, strict=True)]
    products = sum(loop.trips * loop.product_flops for loop in loops) * warps
    loads = sum(loop.trips * loop.load_bytes for loop in loops) * warps
    by_products = _unrolling(products, dot_flops - straight.once.product_flops * warps)
    by_loads = _unrolling(loads, load_bytes - straight.once.load_bytes * warps)
    rolled = [
        replace(loop, trips=max(1.0, loop.trips / (by_products if loop.products else by_loads)))
        for loop in loops
    ]
    return (straight.once, *rolled)


def _unrolling(binary: float, interpreted: float) -> float:
    if binary <= 0 or interpreted <= 0:
        return 1.0
    return max(1.0, 2.0 ** round(math.log2(binary / interpreted)))


def _body(code: Sequence[Instruction], looped: bool) -> Body:
    pipes: dict[str, float] = defaultdict(float)
    products: dict[Product, float] = defaultdict(float)
    sums: dict[str, float] = defaultdict(float)
    for each in code:
        base, moved = each.opcode.partition(".")[0], 32 * width(each.opcode)
        if base in _PIPE_OF:
            pipes[_PIPE_OF[base]] += 1
        sums["memory_cycles"] += max(1.0, moved / SHARED_RATE) if base in _MEMORY else 0.0
        sums["load_bytes"] += moved if base in _LOADS | _COPIES else 0.0
        sums["loads"] += base in _LOADS
        sums["copies"] += base in _COPIES
        sums["spills"] += base in _SPILLS
        sums["spill_bytes"] += moved if base in _SPILLS else 0.0
        sums["barriers"] += base in _BARRIERS
        if (found := product(each.opcode)) is not None:
            products[found] += 1
    once = Segment(instructions=len(code), pipes=dict(pipes), products=dict(products), looped=looped, **sums)
    return Body(once, frozenset(each.source for each in code if each.source is not None))


def width(opcode: str) -> float:
    """Bytes that one lane moves: 4 unless the opcode says otherwise; matrices of 8 by 8 halves move 4 a
    piece."""
    parts = opcode.split(".")
    if parts[0] in ("LDSM", "STSM"):
        return 4.0 * float(parts[-1]) if parts[-1] in ("2", "4") else 4.0
    for part, size in (("128", 16.0), ("64", 8.0), ("U16", 2.0), ("S16", 2.0), ("U8", 1.0), ("S8", 1.0)):
        if part in parts:
            return size
    return 4.0


def product(opcode: str) -> Product | None:
    """The tensor core instruction that this is, or None."""
    base, *parts = opcode.split(".")
    if grouped := re.fullmatch(r"([HQID])GMMA", base):
        rows, columns, depth = (int(size) for size in parts[0].split("x"))
        # operands of every precision are 32 bytes deep
        shared = 32.0 * (rows + columns)
        return Product(_precision(grouped[1], parts), 2.0 * rows * columns * depth / 4, True, shared / 4)
    if single := re.fullmatch(r"([HQID])MMA", base):
        rows, columns, depth = _SHAPES[parts[0]]
        return Product(_precision(single[1], parts), 2.0 * rows * columns * depth, False, 0.0)
    return None


def _precision(kind: str, parts: Sequence[str]) -> str:
    if kind != "H":
        return {"Q": "fp8", "I": "int8", "D": "fp64"}[kind]
    return "tf32" if "TF32" in parts else "bf16" if "BF16" in parts else "fp16"
