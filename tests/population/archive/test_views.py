"""The questions that status, top, show and lineage ask."""

import math
from collections.abc import Callable

import pytest

from recevolve.population.archive.archive import Archive, UnknownProgram
from recevolve.population.archive.views import Shares
from recevolve.population.island.island import Member
from recevolve.population.values.evaluation import Evaluation, Promotion
from recevolve.population.values.verdict import Metric, Status, Verdict

Born = Callable[..., Evaluation]
Place = Callable[[Evaluation], Member]


def star(
    evaluation: Evaluation, generation: int, fold: int, score: float | None, split: str = "selection"
) -> Promotion:
    verdict = Verdict(Status.CRASHED, reason="diverged") if score is None else scored(score)
    return Promotion(
        generation, int(evaluation.program.id[:8], 16), evaluation.program.id, split, fold, verdict
    )


def scored(score: float) -> Verdict:
    return Verdict(Status.SCORED, Metric(score))


@pytest.fixture
def family(archive: Archive, born: Born, member: Place) -> dict[str, Evaluation]:
    """Two islands: a seed, its children on both, a grandchild of two parents, and the seed made again."""
    seed = born(0, 0, 0, "seed", 1.0, behaviour="s")
    archive.commit_generation(0, 0, population=(member(seed),), evaluations=(seed,))
    archive.commit_generation(1, 0, population=(member(seed),), evaluations=())
    ids = (seed.program.id,)
    left = born(0, 1, 0, "left", 2.0, parents=ids, behaviour="l")
    right = born(1, 1, 0, "right", 3.0, parents=ids, behaviour="r")
    archive.commit_generation(0, 1, population=(member(left), member(seed)), evaluations=(left,))
    archive.commit_generation(1, 1, population=(member(right),), evaluations=(right,))
    child = born(0, 2, 1, "child", 4.0, parents=(left.program.id, right.program.id), behaviour="c")
    again = born(0, 2, 0, "seed", 1.0, parents=(left.program.id,), behaviour="s", duplicate_of=ids[0])
    broken = born(0, 2, 2, "broken", None, parents=(left.program.id,), status=Status.INVALID)
    archive.commit_generation(
        0, 2, population=(member(child), member(left)), evaluations=(again, child, broken)
    )
    return {"seed": seed, "left": left, "right": right, "child": child, "again": again, "broken": broken}


def test_lineage_goes_back_to_the_seed_by_earliest_evaluations(
    archive: Archive, family: dict[str, Evaluation]
) -> None:
    lineage = archive.lineage(family["child"].program.id)
    assert lineage == (family["child"], family["left"], family["right"], family["seed"])
    assert archive.lineage(family["seed"].program.id) == (family["seed"],)
    assert archive.lineage("nobody") == ()


def test_evaluations_of_are_earliest_first(archive: Archive, family: dict[str, Evaluation]) -> None:
    assert archive.evaluations_of(family["seed"].program.id) == (family["seed"], family["again"])


def test_programs_are_found_by_the_beginning_of_their_id(
    archive: Archive, family: dict[str, Evaluation]
) -> None:
    for evaluation in family.values():
        name = evaluation.program.id
        assert archive.program(name).source == evaluation.program.source
        assert archive.program(name[:9]).id == name
    assert archive.program(family["again"].program.id) == family["seed"].program, "as it was first born"


def test_an_ambiguous_beginning_lists_the_programs(archive: Archive, family: dict[str, Evaluation]) -> None:
    with pytest.raises(UnknownProgram) as error:
        archive.program("")
    for evaluation in family.values():
        assert evaluation.program.id in str(error.value)
    for nothing in ("xyz", "%", "_", "~"):
        with pytest.raises(UnknownProgram, match="no program's id begins with"):
            archive.program(nothing)


def test_many_ambiguous_programs_are_cut_short(archive: Archive, born: Born) -> None:
    evaluations = [born(0, 0, slot, f"p{slot}") for slot in range(30)]
    archive.commit_generation(0, 0, population=(), evaluations=evaluations)
    with pytest.raises(UnknownProgram, match="…") as error:
        archive.program("")
    first = sorted(evaluation.program.id for evaluation in evaluations)[:10]
    assert ", ".join(first) in str(error.value)


def test_a_duplicate_is_the_first_on_its_own_island_before_the_generation(
    archive: Archive, family: dict[str, Evaluation]
) -> None:
    assert archive.duplicate(0, "behaviour", "s", 3) == family["seed"]
    assert archive.duplicate(0, "behaviour", "s", 0) is None
    assert archive.duplicate(0, "behaviour", "r", 9) is None, "born on the other island"
    assert archive.duplicate(1, "behaviour", "r", 2) == family["right"]
    assert archive.duplicate(0, "syntax_hash", "syntax of left", 2) == family["left"]
    assert archive.duplicate(0, "syntax_hash", "syntax of left", 1) is None
    assert archive.duplicate(0, "syntax_hash", "syntax of broken", 3) == family["broken"], (
        "a failure need not be repeated"
    )


def test_what_infrastructure_failed_is_nobodys_duplicate(archive: Archive, born: Born) -> None:
    lost = born(0, 0, 0, "a", None, status=Status.INFRASTRUCTURE, behaviour="b", syntax_hash="h")
    later = born(0, 0, 1, "b", 1.0, behaviour="b", syntax_hash="h")
    archive.commit_generation(0, 0, population=(), evaluations=(lost, later))
    assert archive.duplicate(0, "behaviour", "b", 1) == later
    assert archive.duplicate(0, "syntax_hash", "h", 1) == later


def test_shares_count_every_evaluation_once(archive: Archive, family: dict[str, Evaluation]) -> None:
    scored, invalid = Status.SCORED, Status.INVALID
    assert archive.shares() == Shares(6, 1, {scored: 5, invalid: 1})


def test_elites_by_north_star_then_by_proxy(archive: Archive, family: dict[str, Evaluation]) -> None:
    ids = {name: evaluation.program.id for name, evaluation in family.items()}
    order = [elite.program_id for elite in archive.elites()]
    assert order == [ids["child"], ids["right"], ids["left"]], "newest populations alone, by proxy"
    archive.commit_round(
        0,
        [
            *(star(family["left"], 1, fold, score) for fold, score in enumerate((0.1, 0.3))),
            *(star(family["child"], 2, fold, score) for fold, score in enumerate((0.1, 0.2))),
            *(star(family["seed"], 1, fold, 0.7, split="claim") for fold in range(2)),
            star(family["seed"], 1, 0, -5.0),
        ],
    )
    elites = archive.elites()
    assert [elite.program_id for elite in elites] == [ids["left"], ids["child"], ids["seed"], ids["right"]]
    best = elites[0]
    assert best.north_star is not None
    assert best.north_star.value == pytest.approx(0.2)
    assert best.north_star.spread == pytest.approx(0.1)
    assert (best.north_star.count, best.proxy, best.islands) == (2, 2.0, (0,))
    assert (elites[2].proxy, elites[2].islands) == (1.0, ())
    assert elites[2].north_star == Metric(-5.0)
    assert elites[3].north_star is None
    assert archive.elites(2) == elites[:2]
    assert archive.elites(split="claim")[0].program_id == ids["seed"]


def test_a_failed_fold_disqualifies_and_lost_infrastructure_does_not(
    archive: Archive, family: dict[str, Evaluation]
) -> None:
    child, left = family["child"], family["left"]
    lost = Verdict(Status.INFRASTRUCTURE, reason="no GPU")
    archive.commit_round(
        0,
        [
            star(child, 1, 0, 0.9),
            star(child, 1, 1, None),
            star(left, 1, 0, 0.5),
            Promotion(1, 7, left.program.id, "selection", 1, lost),
        ],
    )
    elites = archive.elites()
    assert [elite.program_id for elite in elites] == [left.program.id, family["right"].program.id]
    assert elites[0].north_star == Metric(0.5)


def test_a_fold_measured_again_counts_once_and_newest(
    archive: Archive, family: dict[str, Evaluation]
) -> None:
    child = family["child"]
    archive.commit_round(0, [star(child, 1, 0, 0.1), star(child, 9, 0, 0.3), star(child, 9, 1, 0.5)])
    north_star = archive.elites()[0].north_star
    assert north_star is not None
    assert (north_star.value, north_star.count) == (0.4, 2)
    assert math.isclose(north_star.spread or 0.0, 0.1)


def test_an_empty_archive_answers_every_question(archive: Archive) -> None:
    assert archive.elites() == archive.promotions() == ()
    assert archive.sessions() == []
    assert archive.generations() == {}
    assert archive.shares() == Shares(0, 0, {})
    assert archive.conclusions() == {}
    assert archive.seconds_used() == 0.0
