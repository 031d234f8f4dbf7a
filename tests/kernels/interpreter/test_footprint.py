import math

import numpy as np
import pytest

from recevolve.kernels.interpreter.footprint import Footprint, region

BIG = 1e12


def footprint(each: float, union: float, programs: int, size: float = BIG) -> Footprint:
    return Footprint(1, size, each, union, programs, stored=False)


def test_tiles_that_never_meet_count_for_every_program() -> None:
    assert footprint(96, 4 * 96, 4).of(1000) == 1000 * 96


def test_what_every_program_reads_counts_once() -> None:
    assert footprint(96, 96, 4).of(1000) == 96


def test_nothing_counts_for_more_than_its_buffer() -> None:
    assert footprint(96, 4 * 96, 4, size=5000).of(1000) == 5000


def test_all_programs_interpreted_need_no_rule() -> None:
    assert footprint(96, 200, 4).of(4) == 200


def test_one_program_shows_no_sharing() -> None:
    assert math.isinf(region(96, 96, 1))


def test_no_program_touches_nothing() -> None:
    assert footprint(96, 200, 4).of(0) == 0


@pytest.mark.parametrize("sectors", [400, 4_000])
def test_popular_rows_count_in_between(sectors: int) -> None:
    rng = np.random.default_rng(0)
    draws = [set(rng.choice(sectors, 100, replace=False).tolist()) for _ in range(200)]
    sample = draws[:8]
    guess = footprint(100, len(set.union(*sample)), len(sample)).of(len(draws))
    assert guess == pytest.approx(len(set.union(*draws)), rel=0.1)
