"""SharedArrays: named arrays in sealed memory, made once, mapped by every candidate that they are sent to."""

import fcntl
import os
from collections.abc import Mapping
from types import TracebackType

import numpy as np

from . import layout


def sealed(size: int, name: str) -> int:
    """A file descriptor of `size` zeroed bytes of memory that can be written, but neither shrink nor grow."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


class SharedArrays:
    """Named plain arrays in memory that nobody can change any more, neither we nor a candidate.

    Make it once and send it with many requests; the child maps it, nothing is copied. `close` (or garbage
    collection) gives up our hold; children that run keep theirs. ValueError for a dtype that may not cross.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        head, pieces, size = layout.pack({}, arrays)
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()


def _write(descriptor: int, array: np.ndarray, offset: int) -> None:
    if not array.size:
        return
    left = array.reshape(-1).view(np.uint8).data
    while left:
        written = os.pwrite(descriptor, left, offset)
        left = left[written:]
        offset += written
