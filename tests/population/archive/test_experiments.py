"""Experiments in the archive: a step that may not be writes nothing, and the past stays as it was known."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from recevolve.population.archive.archive import Archive, ArchiveError
from recevolve.population.archive.experiments import effects
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.experiment import (
    Changes,
    Experiment,
    IllegalTransition,
    Ingest,
    Look,
    Mark,
    Outcome,
    Reading,
    State,
    Transition,
)

READING = Reading("0-a", "2026-01-01", "days", "treatment", 10, 5.0, 1.0)


def step(state: State, outcome: Outcome = Outcome.NONE, generation: int | None = None) -> Transition:
    return Transition("0-a", state, f"to {state}", outcome, generation)


@pytest.fixture
def live(archive: Archive, born: Callable[..., Evaluation]) -> Archive:
    evaluation = born(0, 0, 0, "a")
    archive.commit_generation(0, 0, population=(), evaluations=(evaluation,))
    one = Experiment("0-a", evaluation.program.id, "live", 2, 0)
    steps = tuple(
        step(state, generation=2) for state in (State.PROPOSED, State.VALIDATED, State.TRAINING, State.LIVE)
    )
    archive.commit_round(2, (), {"round 2": {"a": 1}}, changes=Changes((one,), steps, {"0-a": (0, 0.01)}))
    return archive


def test_an_experiment_is_what_its_steps_made_of_it(live: Archive) -> None:
    (one,) = live.experiments().all()
    assert (one.state, one.test, one.alpha, one.reason) == (State.LIVE, 0, 0.01, "to live")
    assert live.experiments().all(transitions=2)[0].state is State.VALIDATED
    assert live.conclusion("round 2") == {"a": 1}


def test_a_step_that_is_not_allowed_takes_everything_with_it(live: Archive) -> None:
    book = live.experiments()
    wrong = Changes(
        transitions=(step(State.DECIDED, Outcome.LOSS), step(State.LAUNCHED)),
        readings=(READING,),
        ingest=Ingest("digest", "file"),
    )
    with pytest.raises(IllegalTransition):
        book.write(wrong)
    assert book.all()[0].state is State.LIVE
    assert not book.readings()
    assert not book.ingests()


def test_revisions_replace_and_the_past_is_known_as_it_was(live: Archive) -> None:
    book = live.experiments()
    later = Reading("0-a", "2026-01-01", "days", "treatment", 10, 6.0, 1.0, revision=1)
    look = Look("0-a", 0, "days", 1.0, None, None, None, 10, None, "go on")
    assert book.write(Changes(readings=(READING,), looks=(look,), ingest=Ingest("one", "a.csv"))) == 1
    live.commit_round(4, (), changes=Changes())
    done = Changes(readings=(later,), transitions=(step(State.ROLLED_BACK),), ingest=Ingest("two", "b.csv"))
    assert book.write(done) == 2
    assert [one.mean for one in book.readings()] == [6.0]
    assert [one.mean for one in book.readings(ingests=1)] == [5.0]
    assert [one.revision for one in book.history(["0-a"])["0-a"]] == [0, 1]
    assert book.mark(1) is None
    assert book.mark(3) == Mark(0, 4, 0)
    assert book.mark(9) == Mark(1, 4, 1)
    assert book.now() == Mark(2, 5, 1)
    assert (book.held(4), book.held(3)) == (True, False)
    assert effects(book.looks(), "days")["0-a"].ingest == 1
    assert book.transitions()[-1].ingest == 2


def test_what_came_from_outside_is_copied_and_nothing_else(
    live: Archive, tmp_path: Path, born: Callable[..., Evaluation]
) -> None:
    book = live.experiments()
    book.write(Changes(readings=(READING,), ingest=Ingest("one", "a.csv")))
    book.write(Changes(transitions=(step(State.ROLLED_BACK),)))
    with Archive.create_or_open(tmp_path / "other.db") as other:
        other.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "a"),))
        one = Experiment("0-a", book.all()[0].program_id, "live", 2, 0)
        steps = tuple(step(state, generation=2) for state in list(State)[:4])
        other.commit_round(2, (), changes=Changes((one,), steps, {"0-a": (0, 0.01)}))
        other.experiments().copy(book, Mark(1, 4, 0))
        assert other.experiments().all()[0].state is State.LIVE
        assert other.experiments().readings() == book.readings()
        other.experiments().copy(book, book.now())
        assert live.compare(other, ("experiments", "transitions", "readings", "looks", "ingests")) == []


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "0-a/../../outside", "..", "", "0-a\n", "0-\u0661"]
)
def test_an_id_that_could_lead_out_of_a_folder_is_not_read(live: Archive, name: str) -> None:
    with closing(sqlite3.connect(live.path)) as stranger, stranger:
        stranger.execute("UPDATE experiments SET id = ?", (name,))
    with pytest.raises(ArchiveError, match="table experiments: expected an id"):
        live.experiments().all()
