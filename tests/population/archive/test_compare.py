"""compare finds every planted difference and is silent about clocks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recevolve.population.archive.archive import Archive
from recevolve.population.island.island import Member
from recevolve.population.values.evaluation import Evaluation, Promotion
from recevolve.population.values.verdict import Metric, Status, Verdict

Born = Callable[..., Evaluation]
Place = Callable[[Evaluation], Member]


@pytest.fixture
def search(born: Born, member: Place) -> Callable[[Archive, int], None]:
    """The same small search each time, read by another clock, its islands committed in another order."""

    def fill(archive: Archive, first: int) -> None:
        archive.begin({"run_dir": str(archive.path)}, 0, "0.1.0")
        session = archive.begin_session()
        for island in (first, 1 - first):
            evaluations = [
                born(island, 0, slot, f"program {slot} of {island}", float(slot)) for slot in range(3)
            ]
            archive.commit_generation(island, 0, population=map(member, evaluations), evaluations=evaluations)
            archive.ledger().record({"island": island}, {"v": island}, {"cpu": float(first)})
        verdict = Verdict(Status.SCORED, Metric(0.5), timings={"cpu": float(first)})
        archive.commit_round(0, [Promotion(0, 0, evaluations[0].program.id, "claim", 0, verdict)][:first])
        archive.conclude("gain", {"v": 1, "timings": {"wall": float(first)}})
        archive.note_session(session, float(first), "ended")

    return fill


@pytest.fixture
def pair(tmp_path: Path, search: Callable[[Archive, int], None]) -> Iterator[tuple[Archive, Archive]]:
    with (
        Archive.create_or_open(tmp_path / "a.db", clock=lambda: 0.0) as left,
        Archive.create_or_open(tmp_path / "b.db", clock=lambda: 1e9) as right,
    ):
        search(left, 0)
        search(right, 1)
        right.connection.execute("DELETE FROM promotions")
        yield left, right


def test_equal_searches_show_no_difference(pair: tuple[Archive, Archive]) -> None:
    left, right = pair
    assert left.compare(right) == right.compare(left) == left.compare(left) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE evaluations SET score = 7.25 WHERE island = 1 AND slot = 2",
         ["evaluations island=1 generation=0 slot=2: score is 2.0 here and 7.25 there"]),
        ("UPDATE evaluations SET behaviour = 'x' WHERE island = 0 AND slot = 0",
         ["evaluations island=0 generation=0 slot=0: behaviour is None here and 'x' there"]),
        ("DELETE FROM evaluations WHERE island = 0 AND slot = 0",
         ["evaluations island=0 generation=0 slot=0: only here"]),
        ("INSERT INTO conclusions VALUES ('zeal', '{}', '', '')", ["conclusions name=zeal: only there"]),
        ("INSERT INTO conclusions VALUES ('audit', '{}', '', '')",
         ["conclusions name=audit: only there"]),
        ("UPDATE conclusions SET value = '{\"v\":2}'",
         ["conclusions name=gain: value is '{\"v\":1}' here and '{\"v\":2}' there"]),
        ("UPDATE ledger SET timings = '{}', created = ''", []),
        ("UPDATE generations SET statistics = '{\"cells\":1}' WHERE island = 0",
         ["generations island=0 generation=0: statistics is '{}' here and '{\"cells\":1}' there"]),
    ],
)  # fmt: skip
def test_a_planted_difference_is_found(
    pair: tuple[Archive, Archive], change: str, expected: list[str]
) -> None:
    left, right = pair
    right.connection.execute(change)
    assert left.compare(right) == expected
    mirrored = [
        line.replace("only there", "only HERE").replace("only here", "only there") for line in expected
    ]
    if all("only" in line for line in expected):
        assert right.compare(left) == [line.replace("only HERE", "only here") for line in mirrored]


def test_a_missing_end_of_a_table_is_found(pair: tuple[Archive, Archive]) -> None:
    left, right = pair
    right.connection.execute("DELETE FROM ledger")
    assert len(left.compare(right)) == 2
    assert all(
        line.startswith("ledger key=") and line.endswith(": only here") for line in left.compare(right)
    )
    assert left.compare(right, tables=("evaluations", "generations")) == []


def test_long_values_and_long_lists_are_cut(pair: tuple[Archive, Archive]) -> None:
    left, right = pair
    right.connection.execute("UPDATE programs SET source = ?", ("x" * 5000,))
    assert max(map(len, left.compare(right))) < 250
    assert len(left.compare(right)) == 6
    assert len(left.compare(right, limit=2)) == 2
