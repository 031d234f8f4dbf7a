"""What counts as different, in numbers that can be worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.population.island.diversity import bucket, distinct, entropy, firsts, occupancy, statistics
from recevolve.population.island.island import Member


def in_cell(cell: str, behaviour: str = "b") -> Member:
    return Member(f"id of {cell}", "", 0.0, behaviour, (cell,), 1)


@given(st.integers(1, 10**6))
def test_a_bucket_holds_its_size(size: int) -> None:
    low, _, high = bucket(size).partition("-")
    assert int(low) <= size <= int(high or low)
    assert int(high or low) < 2 * int(low) or size <= 2


def test_buckets_double() -> None:
    found = list(dict.fromkeys(bucket(size) for size in range(1, 40)))
    assert found == ["1", "2", "3-4", "5-8", "9-16", "17-32", "33-64"]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        bucket(0)


def test_entropy_in_bits() -> None:
    assert entropy([]) == 0.0
    assert entropy([in_cell("a")] * 5) == 0.0
    assert entropy([in_cell(cell) for cell in "abcd"]) == 2.0
    assert entropy([in_cell(cell) for cell in "aaab"]) == pytest.approx(-0.75 * math.log2(0.75) + 0.5)


def test_entropy_is_one_number_for_one_population() -> None:
    cells = [in_cell(cell) for cell in "aaabbcdddddef"]
    assert entropy(cells) == entropy(cells[::-1])


def test_firsts_takes_each_new_cell_once_in_order() -> None:
    ranked = [in_cell(cell) for cell in "abacad"]
    assert [member.cell for member in firsts(ranked, [("b",)], 2)] == [("a",), ("c",)]
    assert firsts(ranked, [("a",), ("b",), ("c",), ("d",)], 9) == ()
    assert firsts(ranked, [], 0) == ()


def test_statistics_count_what_differs() -> None:
    members = [in_cell("a", "x"), in_cell("a", "y"), in_cell("b", "y")]
    assert occupancy(members) == {("a",): 2, ("b",): 1}
    assert len(distinct(members)) == 2
    assert statistics(members) == {"members": 3, "cells": 2, "behaviours": 2, "entropy_bits": 0.918296}
    assert statistics([]) == {"members": 0, "cells": 0, "behaviours": 0, "entropy_bits": 0.0}
