"""Tensors and records as they enter and leave the sandbox: bytes, and JSON. What comes back is hostile."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..sandbox import SharedArrays

RECORD = "record"
"""The name of the JSON among the arrays that come back."""
COMPILED = "compiled"
"""The name of what was compiled."""
MOST = 64
"""Compiled kernels remembered, the latest ones: a change of constants seldom changes all kernels."""


def packed(tensor: Tensor) -> np.ndarray:
    """The contents in row-major order as bytes."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else np.empty(0, np.uint8)


def unpacked(raw: np.ndarray, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """The tensor of these bytes, on memory of its own. Failed where their number is wrong."""
    wanted = prod(shape) * dtype.itemsize
    if raw.dtype != np.uint8 or raw.size != wanted:
        raise Failed(Status.CRASHED, f"it sent {raw.nbytes} bytes where {wanted} were expected")
    if not wanted:
        return torch.empty(tuple(shape), dtype=dtype)
    return torch.from_numpy(raw.reshape(-1).copy()).view(dtype).reshape(tuple(shape))


def written(record: Mapping[str, Any]) -> np.ndarray:
    """The record as an array that may cross."""
    return np.frombuffer(json.dumps(record).encode(), np.uint8)


def read(arrays: Mapping[str, np.ndarray], name: str = RECORD) -> dict[str, Any]:
    """The record of this name among arrays. Failed where there is none that can be read."""
    raw = arrays.get(name)
    try:
        record = json.loads(raw.tobytes().decode()) if raw is not None else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise Failed(Status.CRASHED, "it sent no record of its launches that can be read")
    return record


class Compilations:
    """Assembly texts by what was compiled: the next candidate that shares a kernel need not compile it again.

    It is a candidate's word, taken where candidates are culled. The north star compiles everything anew.
    """

    def __init__(self) -> None:
        self._texts: dict[str, Any] = {}

    def sent(self) -> SharedArrays:
        """All of them, to be mapped by a candidate's process."""
        return SharedArrays({COMPILED: written(self._texts)})

    def keep(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Remembers what a candidate's process compiled. Raises Failed where that cannot be read."""
        self._texts |= read(arrays, COMPILED)
        while len(self._texts) > MOST:
            del self._texts[next(iter(self._texts))]


COMPILATIONS = Compilations()
"""Those of this process."""
