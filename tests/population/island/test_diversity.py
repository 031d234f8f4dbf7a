"""What counts as different, in numbers that can be worked out by hand."""

import math

import pytest

from recevolve.population.island.diversity import distinct, entropy, firsts, occupancy, statistics
from recevolve.population.island.island import Member


def in_cell(cell: str, behaviour: str = "b") -> Member:
    return Member(f"id of {cell}", "", 0.0, behaviour, (cell,), 1)


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
