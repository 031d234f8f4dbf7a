"""Named arrays in shared memory: how they lie there, and SharedArrays, which every candidate maps.

The memory holds a length, a JSON header, then raw bytes. No pickle either way.
"""

import fcntl
import json
import mmap
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

DTYPES = ("<f8", "<f4", "<i8", "<i4", "|b1", "|u1")
"""The element types that may enter or leave the sandbox."""
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

    ValueError for any other dtype.
    """
    described: list[Description] = []
    end = 0
    for name, dtype, shape in shapes:
        code = np.dtype(dtype).str
        if code not in DTYPES:
            raise ValueError(
                f"array {name!r} has dtype {dtype}; what enters or leaves the sandbox is one of "
                f"{', '.join(DTYPES)}"
            )
        offset = align(end)
        lengths = tuple(int(length) for length in shape)
        described.append((name, code, lengths, offset))
        end = offset + prod(lengths) * np.dtype(code).itemsize
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


def sealed(size: int, name: str) -> int:
    """A file descriptor of `size` zeroed bytes of memory that can be written, but neither shrink nor grow."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


class SharedArrays:
    """Named plain arrays in memory that nobody can change any more, neither we nor a candidate.

    Make it once and send it with many requests; the child maps it, nothing is copied. `close` (or garbage
    collection) gives up our hold; children that run keep theirs. ValueError for any other dtype.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        head, pieces, size = pack({}, arrays)
        self.names = tuple(arrays)
        self.size = size
        self._descriptor = os.memfd_create("arrays", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._descriptor, max(size, 1))
        os.pwrite(self._descriptor, head, 0)
        for offset, array in pieces:
            _write(self._descriptor, array, offset)
        fcntl.fcntl(
            self._descriptor,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE,
        )

    def fileno(self) -> int:
        """The descriptor of the memory; ValueError once closed."""
        if self._descriptor < 0:
            raise ValueError("these shared arrays are closed; make new ones")
        return self._descriptor

    def close(self) -> None:
        """Gives up our hold on the memory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "SharedArrays":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()


def _write(descriptor: int, array: np.ndarray, offset: int) -> None:
    if not array.size:
        return
    left = array.reshape(-1).view(np.uint8).data
    while left:
        written = os.pwrite(descriptor, left, offset)
        left = left[written:]
        offset += written
