"""Whatever bytes a candidate leaves, reading them gives plain arrays or Malformed, and nothing else."""

import json
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recevolve.evaluators.sandbox import result, shared_arrays
from recevolve.evaluators.sandbox.shared_arrays import sealed

SIZE = 1 << 17


@pytest.fixture(scope="module")
def memory() -> Iterator[int]:
    descriptor = sealed(SIZE, "result")
    yield descriptor
    os.close(descriptor)


def write(memory: int, header: bytes, body: bytes = b"", length: int | None = None) -> None:
    os.pwrite(memory, bytes(1 << 12), 0)
    os.pwrite(memory, shared_arrays.LENGTH.pack(len(header) if length is None else length) + header, 0)
    os.pwrite(memory, body, shared_arrays.start_of_arrays(len(header)))


def header(*arrays: object, **fields: object) -> bytes:
    return json.dumps({"status": "finished", "text": "", "arrays": arrays, **fields}).encode()


def test_a_well_formed_result_is_read_as_private_copies(memory: int) -> None:
    write(
        memory,
        header(["x", "<f8", [2], 0], ["b", "|b1", [3], 64]),
        struct.pack("<2d48xB2B", 1.5, -2, 0, 1, 7),
    )
    status, text, arrays = result.read(memory, SIZE)
    assert (status, text) == ("finished", "")
    assert arrays["x"].tolist() == [1.5, -2.0]
    assert arrays["b"].view(np.uint8).tolist() == [0, 1, 1], "a byte that is no boolean must not become one"
    os.pwrite(memory, bytes(1 << 12), 0)
    assert arrays["x"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
        b'{"status": NaN}',
        b'{"status": 1e999}',
        header(status="scored"),
        header(text=None),
        header(text={"a": 1}),
        header(arrays={}),
        header(*([["x", "<f8", [0], 0]] * 300)),
        header("x"),
        header(["x", "<f8", [1]]),
        header(["x", "|O", [1], 0]),
        header(["x", "<U9", [1], 0]),
        header(["x", ["<f8"], [1], 0]),
        header([1, "<f8", [1], 0]),
        header(["", "<f8", [1], 0]),
        header(["\x1b[2J", "<f8", [1], 0]),
        header(["x" * 300, "<f8", [1], 0]),
        header(["x", "<f8", 1, 0]),
        header(["x", "<f8", [-1], 0]),
        header(["x", "<f8", [True], 0]),
        header(["x", "<f8", [1], -8]),
        header(["x", "<f8", [SIZE], 0]),
        header(["x", "<f8", [1], SIZE - 64]),
        header(["x", "<f8", [2**39] * 8, 0]),
        header(["x", "<f8", [10**30], 0]),
        header(["x", "<f8", [0, 2**39], 0]),
        header(["x", "<f8", [1] * 9, 0]),
        header(["x", "<f8", [2], 0], ["y", "<f8", [1], 8]),
        header(["y", "<f8", [1], 8], ["x", "|u1", [9], 0]),
        header(["x", "<f8", [1], 0], ["y", "<f8", [1], 0]),
        header(*([["x", "|u1", [SIZE - 8192], 0]] * 256)),
    ],
    ids=lambda head: head[:40].decode(errors="replace"),
)
def test_a_forged_header_is_malformed(memory: int, head: bytes) -> None:
    write(memory, head)
    with pytest.raises(result.Malformed):
        result.read(memory, SIZE)


@pytest.mark.parametrize("length", [0, 1, shared_arrays.MAX_HEADER + 1, 2**63, 2**64 - 1])
def test_a_forged_length_is_malformed(memory: int, length: int) -> None:
    write(memory, header(), length=length)
    with pytest.raises(result.Malformed):
        result.read(memory, SIZE)


def test_what_is_not_asked_for_is_not_read(memory: int) -> None:
    write(memory, header(score=10**9, ok=True))
    assert result.read(memory, SIZE) == ("finished", "", {})


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(shared_arrays.DTYPES),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {
            "status": st.just("finished") | SCRAPS,
            "text": st.text() | SCRAPS,
            "arrays": st.lists(SCRAPS) | SCRAPS,
        }
    ),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
)
def test_scraps_and_bit_flips_never_raise_anything_else(
    memory: int, scraps: dict[str, object], flips: list[tuple[int, int]]
) -> None:
    head = bytearray(json.dumps(scraps).encode())
    for place, value in flips:
        head[place % len(head)] = value
    write(memory, bytes(head))
    try:
        status, text, arrays = result.read(memory, SIZE)
    except result.Malformed:
        return
    assert status in ("finished", "raised")
    assert text == result.escaped(text)
    assert all(
        type(array) is np.ndarray and array.dtype.str in shared_arrays.DTYPES for array in arrays.values()
    )
    assert sum(array.nbytes for array in arrays.values()) <= SIZE


LARGE = 3 << 19
"""Bytes of a result file of more than a megabyte."""
LENGTHS = st.integers(0, 40) | st.sampled_from([1 << 10, 1 << 16, 1 << 20, LARGE, 1 << 39, 1 << 40])
FORGED = st.lists(
    st.tuples(
        st.text("xyz", min_size=1, max_size=3),
        st.sampled_from(shared_arrays.DTYPES),
        st.lists(LENGTHS, max_size=3),
        LENGTHS | st.integers(0, LARGE),
    ),
    max_size=6,
)


def taken(large: int, arrays: list[object]) -> int:
    """The bytes of the arrays that are read where these are claimed; 0 where they are malformed."""
    write(large, header(*arrays))
    try:
        _, _, found = result.read(large, LARGE)
    except result.Malformed:
        return 0
    return sum(array.nbytes for array in found.values())


@pytest.fixture(scope="module")
def large() -> Iterator[int]:
    descriptor = sealed(LARGE, "result")
    os.pwrite(descriptor, np.random.default_rng(0).bytes(LARGE), 0)
    yield descriptor
    os.close(descriptor)


@given(FORGED)
def test_forged_arrays_never_take_more_than_the_file(large: int, arrays: list[object]) -> None:
    assert taken(large, arrays) <= LARGE
    assert os.fstat(large).st_size == LARGE


@pytest.mark.slow
@given(FORGED)
@settings(max_examples=20_000)
def test_twenty_thousand_forged_arrays_never_take_more_than_the_file(
    large: int, arrays: list[object]
) -> None:
    assert taken(large, arrays) <= LARGE
    assert os.fstat(large).st_size == LARGE


def test_arrays_that_touch_and_empty_ones_anywhere_are_read(memory: int) -> None:
    touching = [["x", "|u1", [3], 0], ["y", "|u1", [2], 3], ["none", "<f8", [0], 1], ["more", "<i4", [0], 1]]
    write(memory, header(*touching), bytes(range(5)))
    _, _, arrays = result.read(memory, SIZE)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "x": [0, 1, 2],
        "y": [3, 4],
        "none": [],
        "more": [],
    }


@given(st.text(st.characters(), max_size=200) | st.just("\ud800\u202e\x1b[0m"))
def test_escaped_text_is_fit_for_a_terminal_and_for_utf8(text: str) -> None:
    shown = result.escaped(text)
    shown.encode()
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert len(result.printable(text, 50)) <= 50
