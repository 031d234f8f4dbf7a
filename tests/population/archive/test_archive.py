"""What an archive commits comes back equal, or nothing of it is there."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recevolve.population.archive.archive import (
    Archive,
    ArchiveBusy,
    ArchiveUnwritable,
    NewerSchema,
    NotAnArchive,
)
from recevolve.population.archive.schema import newest
from recevolve.population.island.island import Member
from recevolve.population.values.evaluation import Evaluation, Promotion
from recevolve.population.values.verdict import Metric, Status, Verdict

Born = Callable[..., Evaluation]
Place = Callable[[Evaluation], Member]


def tables(archive: Archive) -> dict[str, int]:
    names = ("programs", "evaluations", "generations", "promotions")
    return {name: archive.connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def test_a_generation_comes_back_equal_in_another_reader(archive: Archive, born: Born, member: Place) -> None:
    evaluations = (
        born(1, 0, 0, "é\0\n'\"", 1 / 3, behaviour="b", cell=("adaptive", "5-8"), size=7),
        born(1, 0, 1, "worse", -1e-300, duplicate_of="abc", behaviour="b"),
        born(1, 0, 2, "broken", None, status=Status.TIMED_OUT),
    )
    population = (member(evaluations[1]), member(evaluations[0]))
    archive.commit_generation(1, 0, population=population, evaluations=evaluations, statistics={"cells": 2})
    with Archive.read(archive.path) as reader:
        assert reader.evaluations(1, 0) == evaluations
        assert reader.population(1, 0) == population, "the order is the one committed"
        assert reader.statistics(1, 0) == {"cells": 2}
        assert reader.last_generation(1) == 0
        assert reader.last_generation(0) is None
        assert reader.generations() == {1: 0}


def test_timings_of_an_evaluation_stay_out_of_the_row(archive: Archive, born: Born) -> None:
    slow = born(0, 0, 0, "a")
    slow = Evaluation(
        0, 0, 0, slow.program, "s", Verdict(Status.CRASHED, reason="r", timings={"cpu": 9.0}), "static"
    )
    archive.commit_generation(0, 0, population=(), evaluations=(slow,))
    assert archive.evaluations(0, 0)[0].verdict == Verdict(Status.CRASHED, reason="r")


def test_the_same_program_on_two_islands_is_one_program(archive: Archive, born: Born) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=[born(0, 0, 0, "same"), born(0, 0, 1, "same")])
    archive.commit_generation(1, 0, population=(), evaluations=[born(1, 0, 0, "same", parents=("p",))])
    assert tables(archive) == {"programs": 1, "evaluations": 3, "generations": 2, "promotions": 0}


def test_a_migrant_needs_no_evaluation_of_its_own(archive: Archive, born: Born, member: Place) -> None:
    migrant = born(0, 0, 0, "traveller")
    archive.commit_generation(0, 0, population=(), evaluations=(migrant,))
    archive.commit_generation(1, 0, population=(member(migrant),), evaluations=())
    assert archive.population(1, 0) == (member(migrant),)


@pytest.mark.parametrize("generation", [-1, 1, 3])
def test_generations_come_in_order(archive: Archive, born: Born, generation: int) -> None:
    with pytest.raises(ValueError, match=f"commits generation 0 next, got {generation}"):
        archive.commit_generation(0, generation, population=(), evaluations=())
    archive.commit_generation(0, 0, population=(), evaluations=())
    archive.commit_generation(0, 1, population=(), evaluations=())
    with pytest.raises(ValueError, match="commits generation 2 next, got 1"):
        archive.commit_generation(0, 1, population=(), evaluations=())


def test_a_refused_generation_leaves_nothing(archive: Archive, born: Born, member: Place) -> None:
    good, stranger = born(0, 0, 0, "good"), born(0, 0, 1, "never committed")
    with pytest.raises(ValueError, match="never evaluated"):
        archive.commit_generation(0, 0, population=(member(stranger),), evaluations=(good,))
    with pytest.raises(ValueError, match=r"evaluations\.slot"):
        archive.commit_generation(0, 0, population=(), evaluations=(good, born(0, 0, 0, "same slot")))
    with pytest.raises(ValueError, match="got one of island 1, generation 0"):
        archive.commit_generation(0, 0, population=(), evaluations=(good, born(1, 0, 1, "elsewhere")))
    with pytest.raises(ValueError, match="JSON"):
        archive.commit_generation(0, 0, population=(), evaluations=(good,), statistics={"x": float("nan")})
    assert set(tables(archive).values()) == {0}
    archive.commit_generation(0, 0, population=(member(good),), evaluations=(good,))


def test_evaluations_and_their_generation_are_one_transaction(archive: Archive, born: Born) -> None:
    archive.connection.execute(
        "CREATE TEMP TRIGGER refusal BEFORE INSERT ON generations BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    with pytest.raises(ValueError, match="refused"):
        archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "a"),))
    assert set(tables(archive).values()) == {0}


def test_a_missing_generation_says_what_there_is(archive: Archive) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=())
    with pytest.raises(LookupError, match="island 0 has no generation 7, its newest is 0"):
        archive.population(0, 7)
    with pytest.raises(LookupError, match="island 3 has no generation 0, its newest is None"):
        archive.statistics(3, 0)


def test_a_run_keeps_the_config_of_its_first_generation(archive: Archive) -> None:
    assert archive.run() is None
    assert archive.begin({"kind": "reward"}, 1, "0.1.0").seed == 1
    first = archive.begin({"kind": "optimizer", "sizes": [1, 2]}, 7, "0.1.0")
    assert (first.config, first.seed, first.version) == ({"kind": "optimizer", "sizes": [1, 2]}, 7, "0.1.0")
    assert first.created == "2023-11-14T22:13:20.500+00:00"
    archive.commit_generation(0, 0, population=(), evaluations=())
    assert archive.begin({"kind": "reward"}, 8, "0.2.0") == first == archive.run()


def test_sessions_add_up_and_a_killed_one_has_no_reason(archive: Archive) -> None:
    killed, ended = archive.begin_session(), archive.begin_session()
    archive.note_session(killed, 2.0)
    archive.note_session(killed, 3.5)
    archive.note_session(ended, 1.0, "budget reached")
    assert [(one["id"], one["seconds"], one["exit_reason"]) for one in archive.sessions()] == [
        (killed, 3.5, None),
        (ended, 1.0, "budget reached"),
    ]
    assert archive.seconds_used() == 4.5


def test_promotions_come_back_in_order_and_repeat_without_harm(archive: Archive, born: Born) -> None:
    evaluation = born(0, 0, 0, "star")
    archive.commit_generation(0, 0, population=(), evaluations=(evaluation,))
    verdict = Verdict(Status.SCORED, Metric(0.25, 0.1, 4), facts={"lr": 0.1}, timings={"cpu": 3.0})
    promotions = [Promotion(5, 0, evaluation.program.id, "selection", fold, verdict) for fold in (1, 0)]
    archive.commit_round(0, promotions)
    archive.commit_round(0, promotions)
    assert archive.promotions() == (promotions[1], promotions[0])
    assert archive.promotions(5) == archive.promotions()
    assert archive.promotions(6) == ()
    with pytest.raises(ValueError, match="FOREIGN KEY"):
        archive.commit_round(0, [Promotion(6, 0, "nobody", "selection", 0, verdict)])
    archive.commit_round(0, [])


def test_conclusions_are_replaced_by_name(archive: Archive) -> None:
    archive.conclude("gain", {"value": 1})
    archive.conclude("gain", {"value": 2, "timings": {"cpu": 1.0}})
    archive.conclude("audit", {})
    assert archive.conclusions() == {"audit": {}, "gain": {"value": 2, "timings": {"cpu": 1.0}}}
    assert archive.conclusion("gain") == {"value": 2, "timings": {"cpu": 1.0}}
    assert archive.conclusion("nothing") is None


def test_a_reader_cannot_write(archive: Archive) -> None:
    with Archive.read(archive.path) as reader, pytest.raises(ArchiveUnwritable, match="readonly"):
        reader.conclude("gain", {})
    assert archive.conclusions() == {}


def test_two_writers_are_refused_by_name(archive: Archive) -> None:
    with pytest.raises(ArchiveBusy, match=f"process {os.getpid()}"):
        Archive.create_or_open(archive.path)
    archive.close()
    Archive.create_or_open(archive.path).close()


def test_a_path_with_odd_characters_is_only_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=ro#b %41" / "archive.db"
    with Archive.create_or_open(path) as archive:
        archive.begin({}, 0, "1")
    with Archive.read(path) as reader:
        assert reader.run() is not None
    assert path.exists()


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE evaluations (x)")
    connection.close()


def marked_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 252006")
    connection.close()


def truncated_archive(path: Path) -> None:
    with Archive.create_or_open(path) as archive:
        archive.begin({}, 0, "1")
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("kind = 'optimizer'\n" * 400), "not an SQLite file"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000), "cannot be read"),
        (lambda path: path.mkdir(), "Is a directory"),
        (foreign_database, "something else"),
        (marked_database, "something else"),
        (truncated_archive, "cannot be read"),
    ],
)
def test_other_files_are_refused_and_left_alone(
    path: Path, make: Callable[[Path], Any], message: str
) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    for opening in (Archive.create_or_open, Archive.read):
        with pytest.raises(NotAnArchive, match=message):
            opening(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_missing_or_empty_file_is_a_beginning_for_a_writer_alone(path: Path) -> None:
    with pytest.raises(NotAnArchive, match="No such file"):
        Archive.read(path)
    assert not path.exists(), "reading makes no file"
    path.touch()
    with pytest.raises(NotAnArchive, match="is empty"):
        Archive.read(path)
    Archive.create_or_open(path).close()
    Archive.read(path).close()


def test_a_creation_that_was_cut_short_is_begun_again(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.raises(NotAnArchive, match="no run was begun"):
        Archive.read(path)
    with Archive.create_or_open(path) as archive:
        assert archive.run() is None


def test_a_newer_schema_names_both_versions(path: Path) -> None:
    with Archive.create_or_open(path) as archive:
        archive.connection.execute("PRAGMA user_version = 99")
    for opening in (Archive.create_or_open, Archive.read):
        with pytest.raises(NewerSchema, match=r"schema 99.*up to \d+: upgrade recevolve"):
            opening(path)


def test_a_failed_opening_gives_the_right_to_write_back(path: Path) -> None:
    with Archive.create_or_open(path) as archive:
        archive.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchema):
        Archive.create_or_open(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {newest()}")
    connection.close()
    Archive.create_or_open(path).close()
