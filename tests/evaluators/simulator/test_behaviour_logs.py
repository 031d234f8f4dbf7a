"""Logs of behaviour: right files are read, and of wrong ones the column and the row are said."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recevolve.evaluators.data import DataError
from recevolve.evaluators.simulator.behaviour import figures
from recevolve.evaluators.simulator.logs import read

HEADER = "user,time,clicked,watched,liked\n"


def written(folder: Path, text: str, name: str = "log.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("time", ["172800", "1970-01-03", "1970-01-03 00:00:00", "1970-01-03T02:00:00+02:00"])
def test_a_row_is_read_whatever_its_time_looks_like(tmp_path: Path, time: str) -> None:
    found = read(
        written(tmp_path, f"{HEADER}anna,{time},1,12.5,0\nbob,{time},0,0,True\nanna,{time},true,3,1\n")
    )
    assert found.user[0] == found.user[2] != found.user[1]
    assert found.day.tolist() == [2, 2, 2]
    assert found.clicked is not None
    assert found.clicked.tolist() == [1, 0, 1]
    assert found.watched is not None
    assert found.watched.tolist() == [12.5, 0, 3]
    assert found.liked is not None
    assert found.liked.tolist() == [0, 1, 1]
    assert found.hated is None


def test_tables_with_types_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    moments = [datetime(1970, 1, 3, 12, tzinfo=UTC), datetime(1970, 1, 4, tzinfo=UTC)]
    columns = {"user": [7, 8], "time": moments, "clicked": [True, False], "watched": [1, 0], "else": [0, 0]}
    pl.DataFrame(columns).write_parquet(path)
    found = read(str(path))
    assert found.day.tolist() == [2, 3]
    assert found.clicked is not None
    assert found.clicked.tolist() == [1, 0]
    tabs = written(tmp_path, "user\ttime\tclicked\twatched\nu\t0\t0\t0\n", "log.tsv")
    assert read(tabs).liked is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "user,time,click,watched\na,0,1,1\n",
            r"no column 'clicked', which calibration needs \(did you mean 'click'\?\); "
            "its columns are user, time, click, watched",
        ),
        ("user,time\na,0\n", "no column 'clicked', which calibration needs; its columns are user, time"),
        ("", "empty"),
        (HEADER, "no rows"),
        (HEADER + "a,0,1,1,1\na,0,2,1,1\n", "column 'clicked' must hold 0 or 1, row 2 holds '2'"),
        (HEADER + "a,0,1,-1,1\n", "'watched' must hold seconds, 0 or more, row 1 holds '-1'"),
        (HEADER + "a,0,1,inf,1\n", "'watched' must hold seconds"),
        (HEADER + "a,0,1,nan,1\n", "'watched' must hold seconds"),
        (HEADER + "a,0,1,1,1\na,,1,1,1\n", "column 'time' is empty in row 2, in 1 of 2 rows"),
        (HEADER + "a,yesterday,1,1,1\n", "'time' must hold numbers or ISO dates"),
        (HEADER + "a,0,1,1,1\na,soon,1,1,1\n", "'time' must hold .* row 2 holds 'soon'"),
        (HEADER + "a,1600000000000,1,1,1\na,1700000000000,1,1,1\n", "divide milliseconds by 1000"),
        (HEADER + "a,0,1,1,maybe\n", "column 'liked' must hold 0 or 1, row 1 holds 'maybe'"),
    ],
)
def test_a_wrong_log_is_said_to_be(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read(written(tmp_path, text))


def test_what_is_no_log_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(
        DataError,
        match=r"neither a file ending in \.csv, \.tsv, \.csv\.gz, \.tsv\.gz, \.parquet nor a built-in log",
    ):
        read("synthetic")
    with pytest.raises(DataError, match="cannot be read"):
        read(written(tmp_path, "not a table", "log.parquet"))
    pl.DataFrame({"user": [1], "time": [0], "clicked": [[1]], "watched": [0]}).write_parquet(
        tmp_path / "l.parquet"
    )
    with pytest.raises(DataError, match=r"column 'clicked' must hold 0 or 1, is List"):
        read(str(tmp_path / "l.parquet"))


def test_open_bandit_tells_of_clicks_and_of_nothing_else() -> None:
    found = figures(read("open-bandit"))
    assert set(found) == {"click_rate"}
    assert found["click_rate"] == pytest.approx(0.0038, abs=1e-4)
    assert np.isfinite(found["click_rate"])
