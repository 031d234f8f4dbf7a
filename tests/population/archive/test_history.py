"""Tallies depend on island and generation alone, however they are asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from recevolve.population.archive.archive import Archive
from recevolve.population.archive.history import MOST_PATTERNS, History, pattern
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.verdict import Status, Verdict

Born = Callable[..., Evaluation]
GENERATIONS = 9


@pytest.fixture
def told(archive: Archive, born: Born, member: Callable[[Evaluation], Any]) -> Archive:
    """Two islands of nine generations, some evaluations of which failed."""
    seed = born(0, 0, 0, "seed", 0.0)
    for island in range(2):
        for number in range(GENERATIONS):
            evaluations = [
                born(island, number, 0, "seed", 0.0)
                if not number
                else born(island, number, 0, f"{island} {number}", float(number), parents=(seed.program.id,))
            ]
            evaluations.append(
                born(island, number, 1, f"bad {island} {number}", None, parents=(seed.program.id,))
            )
            archive.commit_generation(
                island, number, population=[member(evaluations[0])], evaluations=evaluations
            )
    return archive


def test_it_is_the_same_whatever_was_asked_before(told: Archive) -> None:
    used = History(told.connection, 3)
    order = [8, 2, 5, 5, -1, 0, 7, 8, 3, 1]
    for until in order:
        for island in (1, 0):
            fresh = History(told.connection, 3).tally(island, until)
            assert used.tally(island, until) == fresh
            assert [one.generation for one in fresh.best] == list(range(until, 0, -1))[:3]
            assert sum(one.count for one in fresh.failures.values()) == until + 1


def test_seen_keeps_to_its_scope(told: Archive, born: Born) -> None:
    past = History(told.connection, 3)
    late = born(1, 6, 0, "1 6", 6.0).program.id
    assert past.seen(late, 5) is None
    assert past.seen(late, 5, 0, 8) is None
    here = past.seen(late, 5, 1, 6)
    assert here is not None
    assert (here.island, here.generation) == (1, 6)
    assert past.seen(late, 6) == here
    assert past.final(late) == ("proxy 2", 6.0)
    assert past.final("unborn") is None


def test_too_many_ways_to_fail_are_cut_to_the_common_ones(
    archive: Archive, born: Born, member: Callable[[Evaluation], Any]
) -> None:
    seed = born(0, 0, 0, "seed", 0.0)
    evaluations = [seed]
    for number in range(1, 3 * MOST_PATTERNS):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        verdict = Verdict(Status.CRASHED, reason="common" if number % 3 == 0 else f"a rare {word}")
        evaluation = born(0, 0, number, f"bad {number}", None, parents=(seed.program.id,))
        evaluations.append(replace(evaluation, verdict=verdict))
    archive.commit_generation(0, 0, population=[member(seed)], evaluations=evaluations)
    failures = History(archive.connection, 3).tally(0, 0).failures
    assert len(failures) == MOST_PATTERNS
    assert max(failures.values(), key=lambda one: one.count).pattern == "common"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("line 3: `foo` is not allowed", "… is not allowed"),
        ("line 3: `foo` is not allowed; line 9: another", "… is not allowed"),
        ("state 'mean' must be finite, got 1.5e-07 at step 12", "state … must be finite, got N at step N"),
        ("first\nTraceback of no interest", "first"),
        ("x" * 500, "x" * 100),
    ],
)
def test_a_pattern_leaves_out_what_differs_between_programs(reason: str, expected: str) -> None:
    assert pattern(reason) == expected


def test_status_comes_back_typed(told: Archive) -> None:
    failures = History(told.connection, 3).tally(0, 4).failures
    assert {one.status for one in failures.values()} == {Status.CRASHED}
