"""An island that stops gaining explores, then restarts from other cells; neither comes early or by noise."""

import pytest

from recevolve.engine.loop.stagnation import Progression, fresh_start, progressed
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict


def evaluation(score: float | None, spread: float | None = None, duplicate: str | None = None) -> Evaluation:
    verdict = Verdict(Status.CRASHED, reason="it failed")
    if score is not None:
        verdict = Verdict(Status.SCORED, Metric(score, spread))
    return Evaluation(0, 1, 0, Program("toy", "x"), "h", verdict, "proxy 1", duplicate_of=duplicate)


def member(name: str, score: float, cell: str) -> Member:
    return Member(name, name, score, name, (cell,), 10)


ISLAND = tuple(member(f"m{number}", float(-number), "a") for number in range(6))


def test_only_a_gain_beyond_noise_counts() -> None:
    before = Progression(0.0, gained=3)
    assert progressed(before, 9, ISLAND, [evaluation(1.0, 0.5)]) == Progression(1.0, 9)
    assert progressed(before, 9, ISLAND, [evaluation(0.4, 0.5)]) == before
    assert progressed(before, 9, ISLAND, [evaluation(1.0, None)]) == Progression(1.0, 9)
    assert progressed(before, 9, ISLAND, [evaluation(0.01, None)]) == before
    assert progressed(before, 9, ISLAND, [evaluation(None)]) == before


def test_a_duplicate_is_no_gain() -> None:
    before = Progression(0.0, gained=3)
    assert progressed(before, 9, ISLAND, [evaluation(5.0, 0.1, duplicate="m0")]) == before


def test_the_first_score_begins_the_count() -> None:
    assert progressed(None, 0, (), [evaluation(None)]) is None
    assert progressed(None, 0, (), [evaluation(-3.0), evaluation(-1.0)]) == Progression(-1.0, 0)


@pytest.mark.parametrize(
    ("generation", "explores", "restarts"),
    [(4, False, False), (5, False, False), (8, True, False), (9, True, False), (12, True, True)],
)
def test_patience_decides_when(generation: int, explores: bool, restarts: bool) -> None:
    progression = Progression(0.0, gained=3)
    assert progression.explores(generation, 4) is explores
    assert progression.restarts(generation, 4) is restarts


def test_a_restart_gives_the_island_its_patience_back() -> None:
    assert not Progression(0.0, gained=3, restarted=11).explores(15, 4)
    assert Progression(0.0, gained=3, restarted=11).explores(16, 4)


def test_a_fresh_start_leaves_the_settled_cell_and_takes_the_best_of_each_other() -> None:
    others = (member("b1", -9.0, "b"), member("b2", -8.0, "b"), member("c1", -20.0, "c"))
    fresh = fresh_start(ISLAND, others, 24)
    assert [one.program_id for one in fresh] == ["b2", "c1"]
    assert len(fresh_start(ISLAND, [member(f"x{n}", -30.0 - n, f"x{n}") for n in range(40)], 24)) == 12


def test_an_island_with_one_cell_alone_keeps_what_it_has() -> None:
    assert fresh_start(ISLAND, (), 24) == ISLAND
