"""Pieces of memory that a launch's arguments span, and who touched which element of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .launch_account import Traffic

Array = NDArray[Any]
SECTOR = 32
SEVERAL = -1


class Owners:
    """By element, 1 + the program that touched it; 0: nobody; SEVERAL."""

    def __init__(self, elements: int) -> None:
        self.writer, self.reader, self.adder = (np.zeros(elements, np.int32) for _ in range(3))
        """Of plain stores the last one; of loads; of atomics."""

    @property
    def written(self) -> NDArray[np.bool_]:
        """By element, whether anybody wrote it."""
        return np.asarray((self.writer != 0) | (self.adder != 0))


class Sectors:
    """By sector, 1 + the program that touched it last; 0: nobody."""

    def __init__(self, count: int) -> None:
        self.last = np.zeros(count, np.int32)
        self.by_program = 0
        """Bytes, a sector counted once for each program that touches it."""

    @property
    def unique(self) -> int:
        """Bytes, a sector counted once for all programs."""
        return SECTOR * int(np.count_nonzero(self.last))

    def touch(self, sectors: Array, program: int) -> int:
        """Bytes of these sectors, each counted once; remembers who touched them."""
        moved = SECTOR * distinct(sectors)
        fresh = sectors[self.last[sectors] != program + 1]
        if fresh.size:
            self.by_program += moved if fresh.size == sectors.size else SECTOR * distinct(fresh)
            self.last[sectors] = program + 1
        return moved


@dataclass
class Region:
    """One piece of memory, views that overlap being merged."""

    start: int
    end: int
    tensors: dict[str, torch.Tensor]
    size: int
    """Bytes of an element, the smallest where views disagree."""
    tracked: int
    """Regions of more elements are checked for bounds alone."""
    owners: Owners | None = field(init=False, default=None)
    """None where the region is too large to track."""
    gaps: NDArray[np.bool_] | None = field(init=False, default=None)
    """By element, whether no view holds it; None where all are held, or the region is not tracked."""

    def __post_init__(self) -> None:
        self.name = "+".join(self.tensors)
        self.moved: Counter[str] = Counter()
        """Bytes, by name of a field of Traffic."""
        sectors = (self.end - 1) // SECTOR - self.start // SECTOR + 1
        self.loaded, self.stored = Sectors(sectors), Sectors(sectors)
        elements = (self.end - self.start) // self.size
        if elements <= self.tracked:
            self.owners = Owners(elements)
            if sum(each.nbytes for each in self.tensors.values()) < elements * self.size:
                held = np.zeros(elements, np.bool_)
                for tensor in self.tensors.values():
                    self.view(held, tensor)[...] = True
                self.gaps = ~held

    def view(self, by_element: Array, tensor: torch.Tensor) -> Array:
        """A map of the region's elements in the shape of one of its tensors, parts of an element last."""
        ratio, step = tensor.element_size() // self.size, by_element.itemsize
        return np.lib.stride_tricks.as_strided(
            by_element[(tensor.data_ptr() - self.start) // self.size :],
            (*tensor.shape, ratio),
            (*(each * step * ratio for each in tensor.stride()), step),
        )

    def elements(self, at: Array, size: int) -> list[Array]:
        """The elements that accesses of `size` bytes at these byte offsets touch: one array for each part."""
        first = at // self.size
        return [first + k if k else first for k in range(max(1, size // self.size))]

    def sectors(self, at: Array, size: int, touched: Sectors, program: int) -> int:
        """Bytes in the sectors that such accesses touch, each counted once; marks them in `touched`."""
        shift = self.start % SECTOR
        first = (at + shift) // SECTOR
        if shift % size:  # an element can lie in two sectors
            first = np.concatenate([first, (at + shift + size - 1) // SECTOR])
        return touched.touch(first, program)

    def traffic(self) -> Traffic:
        """What was moved so far."""
        return Traffic(
            **self.moved,
            unique_load=self.loaded.unique,
            unique_store=self.stored.unique,
            program_load=self.loaded.by_program,
            program_store=self.stored.by_program,
        )


def span(tensor: torch.Tensor) -> tuple[int, int]:
    """First address, and the one after the last, of a tensor with elements."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()


def regions_of(tensors: Mapping[str, torch.Tensor], tracked: int) -> list[Region]:
    """The regions that tensors span, in the order of addresses. Empty tensors span nothing."""
    spans = sorted((*span(tensor), name) for name, tensor in tensors.items() if tensor.numel())
    merged: list[tuple[int, int, list[str]]] = []
    for start, end, name in spans:
        if merged and start < merged[-1][1]:
            begin, before, names = merged.pop()
            merged.append((begin, max(end, before), [*names, name]))
        else:
            merged.append((start, end, [name]))
    return [
        Region(
            start,
            end,
            {name: tensors[name] for name in names},
            min(tensors[name].element_size() for name in names),
            tracked,
        )
        for start, end, names in merged
    ]


def distinct(numbers: Array) -> int:
    """How many different ones, none negative; linear where they lie close together."""
    least = int(numbers.min())
    span = int(numbers.max()) - least + 1
    if span <= 8 * numbers.size + 1024:
        seen = np.zeros(span, np.bool_)
        seen[numbers - least] = True
        return int(np.count_nonzero(seen))
    return int(np.unique(numbers).size)
