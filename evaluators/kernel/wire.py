"""Tensors and records as they cross the wall: bytes, and JSON. What comes back is hostile input."""

import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...population.values.verdict import Status
from ..kinds.failure import Failed

RECORD = "record"
"""The name of the JSON among the arrays that come back."""
COMPILED = "compiled"
"""The name of what was compiled, which saves the next program that shares a kernel from doing it again."""


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
