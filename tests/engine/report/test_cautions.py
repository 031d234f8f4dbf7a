"""What speaks against a run or a program is told where a person looks."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from recevolve.engine.config.run_dir import REPORT
from recevolve.engine.north_star.alignment import RoundNote, note_name
from recevolve.engine.report.cautions import cautions, warned, worse
from recevolve.population.archive.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "archive.db") as made:
        yield made


def noted(archive: Archive, generation: int, alarm: str) -> None:
    archive.conclude(note_name(generation), asdict(RoundNote(generation, alarm=alarm)))


def asked(archive: Archive, sample: int, outcome: str, reason: str, model: str = "openai/x") -> None:
    call = {"stage": "model", "model": model, "sample": sample}
    archive.ledger().record(call, {"outcome": outcome, "reason": reason, "timings": {}})


def test_a_run_without_rounds_and_models_has_no_cautions(archive: Archive) -> None:
    assert cautions(archive) == {"alarm": "", "lengths": [], "unanswered": []}
    assert warned(cautions(archive)) == []


def test_the_alarm_is_that_of_the_last_round(archive: Archive) -> None:
    noted(archive, 9, "the proxy orders elites against the north star")
    assert [line.plain for line in warned(cautions(archive))] == [
        "ALARM: the proxy orders elites against the north star"
    ]
    noted(archive, 10, "")
    assert cautions(archive)["alarm"] == "", "generation 10 comes after generation 9"


def test_why_a_model_gave_no_answer_is_told_the_most_frequent_reason_first(archive: Archive) -> None:
    asked(archive, 0, "answered", "")
    asked(archive, 1, "unavailable", "connection refused")
    asked(archive, 2, "timed_out", "no answer by the deadline, after 2 calls")
    asked(archive, 3, "unavailable", "connection refused")
    asked(archive, 4, "empty", "the answer holds no text")
    found = cautions(archive)
    assert [(row["reason"], row["proposals"]) for row in found["unanswered"]] == [
        ("connection refused", 2),
        ("no answer by the deadline, after 2 calls", 1),
    ]
    first, _ = warned(found)
    assert first.plain == "2 proposals of openai/x went unanswered (unavailable): connection refused"


@pytest.mark.parametrize(
    ("epochs", "best", "said"),
    [
        ((0.1, 0.9, 2.0), 1.2, ()),
        ((0.1, 1.4, 2.0), 1.2, ("last rung sees each training row 1.4 times",)),
        ((0.1, 0.3, 0.22), 0.219, ("old, in production, is still learning", "after 0.22 epochs")),
    ],
)
def test_trainings_that_were_too_short_or_repeat_rows_are_told(
    archive: Archive, epochs: tuple[float, ...], best: float, said: tuple[str, ...]
) -> None:
    archive.begin({"config": {}, "forecast": {"epochs": list(epochs)}}, 0, "test")
    arm = {"name": "old", "best_epochs": best, "epochs": epochs[-1]}
    archive.conclude(REPORT, {"production": "old", "arms": [arm, {"name": "winner"}], "timings": {}})
    lines = [line.plain for line in warned(cautions(archive))]
    assert len(lines) == bool(said)
    assert all(one in lines[0] for one in said)


def test_only_what_fell_beyond_noise_is_worse() -> None:
    gains = {"clicks": (-0.2, -0.1), "days": (0.1, 0.2), "likes": (-0.1, 0.1)}
    metrics = {
        name: {"mean": 1.0, "gain": {"estimate": (low + high) / 2, "low": low, "high": high}}
        for name, (low, high) in gains.items()
    }
    assert worse({"metrics": metrics}) == ["clicks -0.1500 [-0.2000, -0.1000]"]
    assert worse({"failed": "not finite"}) == []
