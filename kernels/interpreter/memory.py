"""Memory as a launch may use it: its arguments, each element by one program at a time.

Every access is checked before it is made: a lane outside of every tensor argument raises OutOfBounds, so an
overrun cannot corrupt this process.
"""

import sys
import traceback
from collections import Counter
from collections.abc import Mapping

import numpy as np
import torch

from .launch_account import Issue
from .regions import SEVERAL, Array, Region, distinct, regions_of, span


class OutOfBounds(RuntimeError):
    """A kernel reads or writes memory that belongs to none of its arguments. Raised before it does."""


class Observer:
    """Watches one launch: it is told of every access before it is made, and of matrix products.

    `program` is the linear number of the one being interpreted, `file` the name of the kernel's file. An
    access is told with the addresses of its lanes, of which the mask (None: all) names those that take part,
    the bytes of an element, and `origin`, the argument that the pointers were made from; empty where that is
    not known.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], file: str, tracked: int) -> None:
        self.file = file
        self.regions = regions_of(tensors, tracked)
        self.spans = {
            name: (span(tensor), each) for each in self.regions for name, tensor in each.tensors.items()
        }
        self.starts = np.array([each.start for each in self.regions], np.int64)
        self.tensor_flops: Counter[str] = Counter()
        self.issues: dict[tuple[str, str], Issue] = {}
        self.program = 0

    def overflow(self) -> None:
        """A signed 32-bit integer has wrapped around."""
        self._issue("overflow", "", "a signed 32-bit integer wrapped around; multiply after .to(tl.int64)")

    def load(self, addresses: Array, mask: Array | None, size: int, origin: str) -> None:
        for region, at in self._located(addresses, mask, size, origin, "loads"):
            region.moved["load_lanes"] += at.size * size
            region.moved["load_sectors"] += region.sectors(at, size, region.loaded, self.program)
            if (owners := region.owners) is None:
                continue
            for element in region.elements(at, size):
                self._foreign(region, owners.writer[element], "read-after-write", "reads what {} stored")
                self._foreign(region, owners.adder[element], "read-after-write", "reads what {} changes")
                self._mark(owners.reader, element)

    def store(self, addresses: Array, mask: Array | None, size: int, origin: str, values: Array) -> None:
        for region, at in self._located(addresses, mask, size, origin, "stores"):
            region.moved["store_lanes"] += at.size * size
            region.moved["store_sectors"] += region.sectors(at, size, region.stored, self.program)
            if (owners := region.owners) is None:
                continue
            if distinct(at // size) != at.size:
                self._lanes(region, at, addresses, mask, values)
            for element in region.elements(at, size):
                if region.gaps is not None and region.gaps[element].any():
                    raise OutOfBounds(
                        f"program {self.program} stores between the elements of {region.name}, "
                        "which is not contiguous; use its strides"
                    )
                self._foreign(region, owners.writer[element], "write-write", "overwrites what {} stored")
                self._foreign(region, owners.adder[element], "write-write", "overwrites what {} changed")
                self._foreign(region, owners.reader[element], "write-after-read", "overwrites what {} reads")
                owners.writer[element] = self.program + 1

    def atomic(self, addresses: Array, mask: Array | None, size: int, origin: str, floating: bool) -> None:
        """`floating` where a sum depends on the order."""
        for region, at in self._located(addresses, mask, size, origin, "changes"):
            region.moved["atomic_sectors"] += region.sectors(at, size, region.stored, self.program)
            region.sectors(at, size, region.loaded, self.program)
            if floating:
                self._issue("float-atomics", region.name, "floating-point sums in no fixed order")
            if mask is None:
                self._issue("lock", region.name, "compare-and-swap: what it protects cannot be judged here")
            if (owners := region.owners) is None:
                continue
            for element in region.elements(at, size):
                self._foreign(region, owners.writer[element], "write-write", "changes what {} stored")
                self._foreign(region, owners.reader[element], "write-after-read", "changes what {} reads")
                self._mark(owners.adder, element)

    def _located(
        self, addresses: Array, mask: Array | None, size: int, origin: str, what: str
    ) -> list[tuple[Region, Array]]:
        """Byte offsets of the active lanes, by region; OutOfBounds where a lane is not in its argument."""
        active = _active(addresses, mask)
        if not active.size:
            return []
        active = active.view(np.int64)
        if origin in self.spans:
            (start, end), region = self.spans[origin]
            wrong = (active < start) | (active > end - size)
            if wrong.any():
                raise OutOfBounds(self._outside(active[wrong], active.size, start, end, origin, what))
            return [(region, active - region.start)]
        return self._scattered(active, size, what)

    def _scattered(self, active: Array, size: int, what: str) -> list[tuple[Region, Array]]:
        """The same where nothing tells which argument is meant: it may be any."""
        which = np.searchsorted(self.starts, active, side="right") - 1
        found = []
        for k in np.unique(which):
            lanes = active[which == k]
            region = self.regions[max(int(k), 0)] if self.regions else None
            start, end, name = (
                (region.start, region.end, region.name) if region else (0, 0, "no argument at all")
            )
            wrong = lanes[(lanes < start) | (lanes > end - size)]
            if wrong.size or region is None:
                raise OutOfBounds(self._outside(wrong, active.size, start, end, name, what))
            found.append((region, lanes - region.start))
        return found

    def _outside(self, wrong: Array, lanes: int, start: int, end: int, name: str, what: str) -> str:
        return (
            f"program {self.program} {what} outside of {name} in {wrong.size} of {lanes} lanes, the first "
            f"at byte offset {int(wrong[0]) - start} of {end - start}. Mask what is past the end, and take "
            "int64 for offsets that can pass 2^31."
        )

    def _lanes(self, region: Region, at: Array, addresses: Array, mask: Array | None, values: Array) -> None:
        active = _active(np.broadcast_to(values, addresses.shape), mask)
        differ = active.size != at.size  # lanes of several regions in one store: not worth taking apart
        if not differ:
            bits = np.ascontiguousarray(active).view(f"u{active.itemsize}")
            order = np.lexsort((bits, at))
            place, bits = at[order], bits[order]
            differ = bool(((place[1:] == place[:-1]) & (bits[1:] != bits[:-1])).any())
        kind, which = ("lanes-differ", "different") if differ else ("lanes-agree", "equal")
        self._issue(kind, region.name, f"two lanes of one store write {which} values to one address")

    def _foreign(self, region: Region, owners: Array, kind: str, detail: str) -> None:
        """An issue where an element belongs to another program, or to several."""
        other = (owners != 0) & (owners != self.program + 1)
        if other.any():
            who = int(owners[other][0])
            whose = "several programs" if who == SEVERAL else f"program {who - 1}"
            self._issue(kind, region.name, f"program {self.program} {detail.format(whose)}")

    def _mark(self, owners: Array, element: Array) -> None:
        before = owners[element]
        mine = self.program + 1
        owners[element] = np.where((before == 0) | (before == mine), mine, SEVERAL)

    def _issue(self, kind: str, argument: str, detail: str) -> None:
        if (kind, argument) in self.issues:
            return
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        line = frame.f_lineno if frame.f_code.co_filename == self.file else 0
        self.issues[kind, argument] = Issue(kind, argument, self.program, line, detail)

    def line_of(self, error: BaseException) -> int:
        """The line of the kernel's file that an exception came from, 0 where it came from elsewhere."""
        lines = [n for at, n in traceback.walk_tb(error.__traceback__) if at.f_code.co_filename == self.file]
        return lines[-1] if lines else 0


def _active(values: Array, mask: Array | None) -> Array:
    return values.reshape(-1) if mask is None else values[np.broadcast_to(mask, values.shape)]
