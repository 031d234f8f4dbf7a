"""What a proposer was paid and what it was worth, also where another stood in for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recevolve.engine.report.proposer_stats import accounts
from recevolve.population.archive.archive import Archive
from recevolve.population.values.origin import Origin, Spend

from ...population.conftest import make_evaluation as born

PAID = Spend(1, 100, 20, 30, 0.25)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "archive.db") as made:
        yield made


def test_each_arm_answers_for_its_own(archive: Archive) -> None:
    origins = [
        Origin("syntax", "explore", "proposed", credit=0.5),
        Origin("model", "exploit", "repaired", spend=PAID, credit=0.25),
        Origin("model", "exploit", "unavailable", "syntax", Spend(unanswered=7), 0.125),
        Origin("model", "exploit", "unusable", spend=PAID),
        Origin("syntax", "explore", "proposed"),
    ]
    evaluations = [born(0, 0, slot, f"p{slot}", origin=origin) for slot, origin in enumerate(origins)]
    archive.commit_generation(0, 0, population=(), evaluations=evaluations)
    model, syntax = accounts(archive)
    assert model == {
        "proposer": "model",
        "asked": 3,
        "outcomes": {"repaired": 1, "unavailable": 1, "unusable": 1},
        "candidates": 1,
        "gains": 1,
        "credit": 0.25,
        "spend": (PAID + PAID + Spend(unanswered=7)).to_json(),
        "dollars_per_gain": 0.5,
        "next_share": None,
    }
    assert [syntax[name] for name in ("asked", "candidates", "gains", "credit")] == [2, 3, 2, 0.625]
    assert syntax["spend"] == {}


def test_an_arm_that_never_gained_has_no_price_per_gain(archive: Archive) -> None:
    evaluation = born(0, 0, 0, "p", origin=Origin("model", "explore", "proposed", spend=PAID))
    archive.commit_generation(0, 0, population=(), evaluations=(evaluation,))
    (model,) = accounts(archive)
    assert model["dollars_per_gain"] is None


def test_seeds_have_no_arm(archive: Archive) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "seed"),))
    assert accounts(archive) == []


def test_the_origin_of_a_evaluation_is_read_back(archive: Archive) -> None:
    origin = Origin("model edits", "innovate", "timed_out", "syntax", PAID, 0.75)
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "p", origin=origin),))
    assert archive.evaluations(0, 0)[0].origin == origin
