"""What this worker's candidates compiled to, so that the next that shares a kernel need not compile it again.

It is a candidate's word, taken where candidates are culled. The north star compiles everything anew.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..sandbox import SharedArrays
from . import wire

MOST = 64
"""Kernels remembered, the latest ones: a change of constants seldom changes all kernels."""


class Compilations:
    """Assembly texts by what was compiled, as they go into a sandbox and come back."""

    def __init__(self) -> None:
        self._texts: dict[str, Any] = {}

    def sent(self) -> SharedArrays:
        """All of them, to be mapped by a candidate's process."""
        return SharedArrays({wire.COMPILED: wire.written(self._texts)})

    def keep(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Remembers what a candidate's process compiled. Raises Failed where that cannot be read."""
        self._texts |= wire.read(arrays, wire.COMPILED)
        while len(self._texts) > MOST:
            del self._texts[next(iter(self._texts))]


COMPILATIONS = Compilations()
"""Those of this process."""
