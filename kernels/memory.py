"""Memory as a launch sees it: what its arguments span, who touched which element, and what must not happen.

Every access is checked before it is made: a lane outside of every tensor argument raises OutOfBounds, so an
overrun cannot corrupt this process.
"""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .account import Coverage, Issue, Tally, Traffic
from .builder import Watch

Array = NDArray[Any]
SECTOR = 32
TRACKED_ELEMENTS = 1 << 27
"""Larger regions are checked for bounds alone; who wrote what takes 12 bytes of memory an element."""
_SEVERAL = -1


class OutOfBounds(RuntimeError):
    """A kernel reads or writes memory that belongs to none of its arguments. Raised before it does."""


@dataclass
class Region:
    """One piece of memory that arguments span, views that overlap being merged."""

    start: int
    end: int
    tensors: dict[str, torch.Tensor]
    size: int
    """Bytes of an element, the smallest where views disagree."""
    load_sectors: Array = field(init=False)
    """By sector, 1 + the program that touched it last; 0: nobody."""
    store_sectors: Array = field(init=False)
    writer: Array | None = field(init=False, default=None)
    """By element, 1 + the program that stored it; 0: nobody."""
    reader: Array | None = field(init=False, default=None)
    """By element, 1 + the program that read it; 0: nobody; -1: several."""
    adder: Array | None = field(init=False, default=None)
    """As `reader`, for atomics."""
    gaps: Array | None = field(init=False, default=None)
    """By element, whether no view holds it; None where there are none."""

    def __post_init__(self) -> None:
        self.name = "+".join(self.tensors)
        self.moved = dict.fromkeys(
            (
                "load_lanes",
                "load_sectors",
                "store_lanes",
                "store_sectors",
                "atomic_sectors",
                "program_load",
                "program_store",
            ),
            0,
        )
        self.first_sector = self.start // SECTOR
        sectors = self.end // SECTOR - self.first_sector + 1
        self.load_sectors, self.store_sectors = np.zeros(sectors, np.int32), np.zeros(sectors, np.int32)
        elements = -(-(self.end - self.start) // self.size)
        if elements <= TRACKED_ELEMENTS:
            self.writer, self.reader, self.adder = (np.zeros(elements, np.int32) for _ in range(3))
            held = sum(each.numel() * each.element_size() for each in self.tensors.values())
            if held < self.end - self.start:
                self.gaps = ~self.members(*self.tensors.values())

    def members(self, *tensors: torch.Tensor) -> Array:
        """By element of the region, whether one of the views holds it."""
        flags = np.zeros((self.end - self.start) // self.size, bool)
        for tensor in tensors:
            self.view(flags, tensor)[...] = True
        return flags

    def view(self, by_element: Array, tensor: torch.Tensor) -> Array:
        """A map of the region's elements, in the shape of one of its tensors."""
        ratio = tensor.element_size() // self.size
        offset = (tensor.data_ptr() - self.start) // self.size
        step = by_element.itemsize
        return np.lib.stride_tricks.as_strided(
            by_element[offset:],
            (*tensor.shape, ratio),
            (*(each * step * ratio for each in tensor.stride()), step),
        )


def regions_of(tensors: Mapping[str, torch.Tensor]) -> list[Region]:
    """The regions that tensor arguments span, in the order of addresses. Empty tensors span nothing."""
    spans = []
    for name, tensor in tensors.items():
        if tensor.numel():
            last = sum(
                (size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
            )
            start = tensor.data_ptr()
            spans.append((start, start + (last + 1) * tensor.element_size(), name, tensor))
    merged: list[tuple[int, int, dict[str, torch.Tensor]]] = []
    for start, end, name, tensor in sorted(spans, key=lambda span: span[:2]):
        if merged and start < merged[-1][1]:
            begin, before, named = merged.pop()
            merged.append((begin, max(end, before), named | {name: tensor}))
        else:
            merged.append((start, end, {name: tensor}))
    return [
        Region(start, end, named, min(each.element_size() for each in named.values()))
        for start, end, named in merged
    ]


class Observer(Watch):
    """Watches one launch. `program` is the linear number of the one being interpreted, `file` the kernel's."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], file: str) -> None:
        self.file = file
        self.regions = regions_of(tensors)
        self.starts = np.array([each.start for each in self.regions], np.int64)
        self.tally = Tally()
        self.program = 0

    # work

    def arithmetic(self, count: int) -> None:
        self.tally.flops += count

    def special(self, count: int) -> None:
        self.tally.special += count

    def dot(self, precision: str, flops: int) -> None:
        self.tally.dots += 1
        self.tally.tensor_flops[precision] = self.tally.tensor_flops.get(precision, 0) + flops

    def overflow(self) -> None:
        self._issue(
            "overflow", "", "a signed 32-bit integer wrapped around; take .to(tl.int64) before multiplying"
        )

    # accesses

    def load(self, addresses: Array, mask: Array | None, size: int) -> None:
        self.tally.loads += 1
        for region, at in self._located(addresses, mask, size, "loads"):
            region.moved["load_lanes"] += at.size * size
            region.moved["load_sectors"] += self._sectors(region, at, size, "load")
            self._read(region, at, size)

    def store(self, addresses: Array, mask: Array | None, size: int, values: Array) -> None:
        self.tally.stores += 1
        for region, at in self._located(addresses, mask, size, "stores"):
            region.moved["store_lanes"] += at.size * size
            region.moved["store_sectors"] += self._sectors(region, at, size, "store")
            if region.writer is not None:
                self._written(region, at, size, addresses, mask, values)

    def atomic(self, addresses: Array, mask: Array | None, size: int, floating: bool) -> None:
        self.tally.atomics += 1
        for region, at in self._located(addresses, mask, size, "changes"):
            region.moved["atomic_sectors"] += self._sectors(region, at, size, "store")
            self._sectors(region, at, size, "load")
            if floating:
                self._issue(
                    "float-atomics", region.name, "floating-point sums in an order that no program decides"
                )
            if mask is None:
                self._issue("lock", region.name, "compare-and-swap: what it protects cannot be judged here")
            if region.adder is None or region.writer is None or region.reader is None:
                continue
            for element in self._elements(region, at, size):
                self._foreign(
                    region, region.writer[element], "write-write", "changes atomically what program {} stored"
                )
                self._foreign(
                    region, region.reader[element], "write-after-read", "changes what program {} reads"
                )
                self._mark(region.adder, element)

    def _located(
        self, addresses: Array, mask: Array | None, size: int, what: str
    ) -> list[tuple[Region, Array]]:
        """Byte offsets of the active lanes, by region; OutOfBounds where a lane is in none."""
        if mask is None:
            active = addresses.reshape(-1)
        else:
            active = addresses[np.broadcast_to(mask, addresses.shape)]
        if not active.size:
            return []
        active = active.view(np.int64)
        least, most = int(active.min()), int(active.max())
        k = int(np.searchsorted(self.starts, least, side="right")) - 1
        if k >= 0 and most + size <= self.regions[k].end:
            return [(self.regions[k], active - self.regions[k].start)]
        return self._scattered(active, size, what)

    def _scattered(self, active: Array, size: int, what: str) -> list[tuple[Region, Array]]:
        which = np.searchsorted(self.starts, active, side="right") - 1
        found = []
        for k in np.unique(which):
            lanes = active[which == k]
            region = self.regions[max(int(k), 0)] if self.regions else None
            wrong = lanes if region is None or k < 0 else lanes[lanes + size > region.end]
            if wrong.size:
                raise OutOfBounds(self._outside(wrong, active.size, region, what))
            assert region is not None
            found.append((region, lanes - region.start))
        return found

    def _outside(self, wrong: Array, lanes: int, region: Region | None, what: str) -> str:
        near = "it has no tensor argument with elements"
        if region is not None:
            near = (
                f"the nearest is {region.name}, {region.end - region.start} bytes long, "
                f"at byte offset {int(wrong[0]) - region.start}"
            )
        return (
            f"program {self.program} {what} outside of every tensor argument in {wrong.size} of {lanes} lanes; "
            f"{near}. Mask the lanes past the end, and take int64 for offsets that can pass 2^31."
        )

    def _sectors(self, region: Region, at: Array, size: int, what: str) -> int:
        """Bytes of the sectors of one access, a "load" or a "store"; counts those new to the program."""
        last_touched = region.load_sectors if what == "load" else region.store_sectors
        offset, mine = region.start % SECTOR, self.program + 1
        sectors = (at + offset) // SECTOR
        if offset % size:  # an unaligned element can straddle two sectors
            sectors = np.concatenate([sectors, (at + offset + size - 1) // SECTOR])
        fresh = sectors[last_touched[sectors] != mine]
        last_touched[sectors] = mine
        moved = SECTOR * _distinct(sectors)
        if fresh.size == sectors.size:
            region.moved[f"program_{what}"] += moved
        elif fresh.size:
            region.moved[f"program_{what}"] += SECTOR * _distinct(fresh)
        return moved

    def _elements(self, region: Region, at: Array, size: int) -> list[Array]:
        first = at // region.size
        return [first + k if k else first for k in range(max(1, size // region.size))]

    def _read(self, region: Region, at: Array, size: int) -> None:
        if region.writer is None or region.reader is None or region.adder is None:
            return
        for element in self._elements(region, at, size):
            self._foreign(region, region.writer[element], "read-after-write", "reads what program {} stores")
            self._foreign(
                region, region.adder[element], "read-after-write", "reads what program {} changes atomically"
            )
            self._mark(region.reader, element)

    def _written(
        self, region: Region, at: Array, size: int, addresses: Array, mask: Array | None, values: Array
    ) -> None:
        assert region.writer is not None and region.reader is not None and region.adder is not None
        first = at // region.size
        if _distinct(first) != first.size:
            self._lanes(region, first, addresses, mask, values)
        for element in self._elements(region, at, size):
            if region.gaps is not None and region.gaps[element].any():
                raise OutOfBounds(
                    f"program {self.program} stores between the elements of {region.name}, which is not contiguous; "
                    "use its strides"
                )
            self._foreign(region, region.writer[element], "write-write", "overwrites what program {} stored")
            self._foreign(
                region, region.adder[element], "write-write", "overwrites what program {} changed atomically"
            )
            self._foreign(
                region, region.reader[element], "write-after-read", "overwrites what program {} reads"
            )
            region.writer[element] = self.program + 1

    def _lanes(
        self, region: Region, first: Array, addresses: Array, mask: Array | None, values: Array
    ) -> None:
        wide = np.broadcast_to(values, addresses.shape)
        active = wide.reshape(-1) if mask is None else wide[np.broadcast_to(mask, addresses.shape)]
        if active.size != first.size:  # lanes of several regions in one store
            differ = True
        else:
            order = np.lexsort((active, first))
            place, value = first[order], active[order]
            differ = bool(((place[1:] == place[:-1]) & (value[1:] != value[:-1])).any())
        kind = "lanes-differ" if differ else "lanes-agree"
        self._issue(
            kind, region.name, f"two lanes of one store write {'different' if differ else 'equal'} values"
        )

    def _foreign(self, region: Region, owners: Array, kind: str, detail: str) -> None:
        """An issue where an element belongs to another program, or to several."""
        other = (owners != 0) & (owners != self.program + 1)
        if other.any():
            who = int(owners[other][0])
            self._issue(kind, region.name, detail.format("of several" if who == _SEVERAL else who - 1))

    def _mark(self, owners: Array, element: Array) -> None:
        before = owners[element]
        mine = self.program + 1
        owners[element] = np.where((before == 0) | (before == mine), mine, _SEVERAL)

    def _issue(self, kind: str, argument: str, detail: str) -> None:
        if (kind, argument) in self.tally.issues:
            return
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        line = frame.f_lineno if frame.f_code.co_filename == self.file else 0
        self.tally.issues[kind, argument] = Issue(kind, argument, self.program, line, detail)

    def line_of(self, error: BaseException) -> str:
        """ ", line 12" of the kernel's file that an exception came from, or nothing."""
        lines = [
            n for frame, n in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == self.file
        ]
        return f", line {lines[-1]}" if lines else ""

    # afterwards

    def traffic(self) -> dict[str, Traffic]:
        """By argument; of merged views under their joint name."""
        return {
            region.name: Traffic(
                **region.moved,
                unique_load=SECTOR * int(np.count_nonzero(region.load_sectors)),
                unique_store=SECTOR * int(np.count_nonzero(region.store_sectors)),
            )
            for region in self.regions
        }

    def coverage(self, storages: Mapping[str, int]) -> list[Coverage]:
        """What was written of each argument that was written to."""
        found = []
        for region in self.regions:
            if region.writer is None or region.adder is None:
                continue
            written = (region.writer != 0) | (region.adder != 0)
            if not written.any():
                continue
            for name, tensor in region.tensors.items():
                flags = region.view(written, tensor).all(axis=-1).reshape(-1)
                missing = np.flatnonzero(~flags)
                found.append(
                    Coverage(
                        name,
                        storages[name],
                        flags.size,
                        flags.size - missing.size,
                        int(missing[0]) if missing.size else -1,
                    )
                )
        return found

    def written(self, region: Region) -> Array | None:
        """By element of a region, whether a program has written it; None where that is not tracked."""
        if region.writer is None or region.adder is None:
            return None
        return np.asarray((region.writer != 0) | (region.adder != 0))


def _distinct(numbers: Array) -> int:
    """How many different ones, all at least 0."""
    least = int(numbers.min())
    span = int(numbers.max()) - least + 1
    if span <= 8 * numbers.size + 1024:
        seen = np.zeros(span, bool)
        seen[numbers - least] = True
        return int(np.count_nonzero(seen))
    return int(np.unique(numbers).size)
