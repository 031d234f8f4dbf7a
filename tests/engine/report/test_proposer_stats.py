"""What a proposer was paid and what it was worth, also where another stood in for it."""

from collections.abc import Callable

from recevolve.population.archive.archive import Archive
from recevolve.population.archive.credit import earned
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.origin import NOTHING, Origin, Spend

PAID = Spend(1, 100, 20, 30, 0.25)


def test_each_arm_answers_for_its_own(archive: Archive, born: Callable[..., Evaluation]) -> None:
    origins = [
        Origin("syntax", "explore", "proposed", credit=0.5),
        Origin("model", "exploit", "repaired", spend=PAID, credit=0.25),
        Origin("model", "exploit", "unavailable", "syntax", Spend(unanswered=7), 0.125),
        Origin("model", "exploit", "unusable", spend=PAID),
        Origin("syntax", "explore", "proposed"),
    ]
    evaluations = [born(0, 0, slot, f"p{slot}", origin=origin) for slot, origin in enumerate(origins)]
    archive.commit_generation(0, 0, population=(), evaluations=evaluations)
    model, syntax = earned(archive.connection)
    assert (model.proposer, model.asked, model.evaluations, model.gains, model.credit) == (
        "model",
        3,
        1,
        1,
        0.25,
    )
    assert model.outcomes == {"repaired": 1, "unavailable": 1, "unusable": 1}
    assert model.spend == PAID + PAID + Spend(unanswered=7)
    assert model.dollars_per_gain == 0.5
    assert (syntax.asked, syntax.evaluations, syntax.gains, syntax.credit) == (2, 3, 2, 0.625)
    assert syntax.spend == NOTHING


def test_an_arm_that_never_gained_has_no_price_per_gain(
    archive: Archive, born: Callable[..., Evaluation]
) -> None:
    evaluation = born(0, 0, 0, "p", origin=Origin("model", "explore", "proposed", spend=PAID))
    archive.commit_generation(0, 0, population=(), evaluations=(evaluation,))
    (model,) = earned(archive.connection)
    assert model.dollars_per_gain is None


def test_seeds_have_no_arm(archive: Archive, born: Callable[..., Evaluation]) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "seed"),))
    assert earned(archive.connection) == ()


def test_the_origin_of_a_evaluation_is_read_back(archive: Archive, born: Callable[..., Evaluation]) -> None:
    origin = Origin("model edits", "innovate", "timed_out", "syntax", PAID, 0.75)
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "p", origin=origin),))
    assert archive.evaluations(0, 0)[0].origin == origin
