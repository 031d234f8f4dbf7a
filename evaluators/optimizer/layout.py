"""Layout: where each tensor lies in one flat float32 array that both sides of the sandbox share."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

ALIGNMENT = 16
"""Elements: 64 bytes, as torch aligns its own tensors, so that vector code does the same on both sides."""


@dataclass(frozen=True)
class Layout:
    """Shapes in order with their first element; `size` counts float32 elements, gaps included, never zero."""

    shapes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, shapes: Iterable[tuple[int, ...]]) -> "Layout":
        """The layout of `shapes`, in the order given."""
        shapes = tuple(tuple(shape) for shape in shapes)
        starts, end = [], 0
        for shape in shapes:
            starts.append(end)
            end += -(-prod(shape) // ALIGNMENT) * ALIGNMENT
        return cls(shapes, tuple(starts), max(end, ALIGNMENT))

    def views(self, flat: np.ndarray) -> list[np.ndarray]:
        """One writable view of `flat` per tensor, shaped as it."""
        return [
            flat[start : start + prod(shape)].reshape(shape)
            for start, shape in zip(self.starts, self.shapes, strict=True)
        ]
