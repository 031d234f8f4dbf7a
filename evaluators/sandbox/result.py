"""Reads what a candidate's process left behind. Every byte here is hostile input."""

import json
import math
import os
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np

from . import shared_arrays

MAX_ARRAYS = 256
MAX_DIMENSIONS = 8
MAX_NAME = 200


class Malformed(ValueError):
    """The bytes are not a result. The message says which rule they break."""


def read(descriptor: int, size: int) -> tuple[Literal["finished", "raised"], str, dict[str, np.ndarray]]:
    """Status, text and arrays (private copies) of a result file of `size` bytes; Malformed for anything else.

    The writer must be dead: only then do the bytes stay what they are while they are checked.
    """
    (length,) = shared_arrays.LENGTH.unpack(os.pread(descriptor, shared_arrays.LENGTH.size, 0))
    if length == 0:
        raise Malformed("it left no result")
    if not 2 <= length <= min(shared_arrays.MAX_HEADER, size - shared_arrays.LENGTH.size):
        raise Malformed(f"the header claims {length} bytes, at most {shared_arrays.MAX_HEADER} are allowed")
    header = _header(os.pread(descriptor, length, shared_arrays.LENGTH.size))
    status, text, described = header.get("status"), header.get("text"), header.get("arrays")
    if status != "finished" and status != "raised":
        raise Malformed('the status is neither "finished" nor "raised"')
    if not isinstance(text, str):
        raise Malformed("the text is not a string")
    if not isinstance(described, list) or len(described) > MAX_ARRAYS:
        raise Malformed(f"the arrays are not a list of at most {MAX_ARRAYS}")
    start = shared_arrays.start_of_arrays(length)
    pieces = [_piece(item, start, size) for item in described]
    ends = start
    for piece in sorted((one for one in pieces if one.begin < one.end), key=lambda one: one.begin):
        if piece.begin < ends:
            raise Malformed("two arrays lie in the same place")
        ends = piece.end
    return status, printable(text), {piece.name: piece.read(descriptor) for piece in pieces}


def escaped(text: str) -> str:
    """The text fit for a terminal, a log and a prompt: control characters, and the like, as escapes."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def printable(text: str, limit: int = shared_arrays.MAX_TEXT) -> str:
    """The beginning of the text, escaped, at most `limit` characters long."""
    shown = escaped(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_float=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise Malformed(f"the header is not JSON that we accept ({type(error).__name__})") from None
    if not isinstance(header, dict):
        raise Malformed("the header is not a JSON object")
    return header


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One array as the header describes it, checked; places in bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def read(self, descriptor: int) -> np.ndarray:
        raw = np.empty(self.end - self.begin, np.uint8)
        os.preadv(descriptor, [raw.data], self.begin)
        # a byte that is neither 0 nor 1 is no boolean
        values: np.ndarray = raw != 0 if self.dtype == "|b1" else raw.view(self.dtype)
        return values.reshape(self.shape)


def _piece(item: Any, start: int, size: int) -> _Piece:
    if not isinstance(item, list) or len(item) != 4:
        raise Malformed("an array is not described by name, dtype, shape and offset")
    name, dtype, shape, offset = item
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise Malformed(f"an array's name is not a printable string of at most {MAX_NAME} characters")
    if not isinstance(dtype, str) or dtype not in shared_arrays.DTYPES:
        raise Malformed(f"an array's dtype is not one of {', '.join(shared_arrays.DTYPES)}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise Malformed(f"an array's shape is not a list of at most {MAX_DIMENSIONS} lengths")
    if not all(type(number) is int and 0 <= number < 1 << 40 for number in (offset, *shape)):
        raise Malformed("a length or an offset is not a natural number below 2^40")
    piece = _Piece(
        name,
        dtype,
        tuple(shape),
        start + offset,
        start + offset + math.prod(shape) * np.dtype(dtype).itemsize,
    )
    if piece.end > size:
        raise Malformed("an array reaches over the end of the result")
    if 0 in shape and max(shape) > size:
        raise Malformed("an empty array claims a length beyond any limit")
    return piece
