"""How named arrays lie in shared memory: a length, a JSON header, then raw bytes. No pickle either way."""

import json
import mmap
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

DTYPES = ("<f8", "<f4", "<i8", "<i4", "|b1", "|u1")
"""The element types that may cross the wall."""
ALIGNMENT = 64
LENGTH = struct.Struct("<Q")
MAX_HEADER = 1 << 16
MAX_TEXT = 4000

Description = tuple[str, str, tuple[int, ...], int]
"""Name, dtype, shape, offset from where the arrays begin."""


def align(offset: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def describe(shapes: Iterable[tuple[str, str, Sequence[int]]]) -> tuple[list[Description], int]:
    """Where each (name, dtype, shape) goes, and the bytes that all need together.

    ValueError for a dtype that may not cross.
    """
    described: list[Description] = []
    end = 0
    for name, dtype, shape in shapes:
        code = np.dtype(dtype).str
        if code not in DTYPES:
            raise ValueError(
                f"array {name!r} has dtype {dtype}; what crosses the wall is one of {', '.join(DTYPES)}"
            )
        offset = align(end)
        count = 1
        for length in shape:
            count *= int(length)
        described.append((name, code, tuple(int(length) for length in shape), offset))
        end = offset + count * np.dtype(code).itemsize
    return described, end


def start_of_arrays(header_bytes: int) -> int:
    """Where the arrays begin, in bytes from the start of the memory."""
    return align(LENGTH.size + header_bytes)


def pack(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[bytes, list[tuple[int, np.ndarray]], int]:
    """The head to put at 0, the (offset, contiguous array) pairs that follow, and the bytes of it all."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    described, size = describe((name, array.dtype.str, array.shape) for name, array in plain.items())
    text = json.dumps({**header, "arrays": described}).encode()
    start = start_of_arrays(len(text))
    pieces = [(start + offset, plain[name]) for name, _, _, offset in described]
    return LENGTH.pack(len(text)) + text, pieces, start + size


def view(memory: mmap.mmap, described: Iterable[Sequence[Any]], start: int) -> dict[str, np.ndarray]:
    """The arrays of a trusted description, as views on the memory."""
    return {
        name: np.ndarray(tuple(shape), np.dtype(dtype), memory, start + offset)
        for name, dtype, shape, offset in described
    }
