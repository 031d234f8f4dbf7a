"""The user's own log: columns become what the schema says, faults are named by column and row."""

import gzip
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recevolve.evaluators.data import DataError, Log, load, split

SCHEMA = {"label": "clicked", "user": "uid", "item": "iid", "time": "ts"}
TABLE: dict[str, list[Any]] = {
    "clicked": [1, 0, 0, 1],
    "uid": ["ann", "bob", "ann", "cy"],
    "iid": [7, 30, 7, 4],
    "ts": [40, 10, 30, 20],
}
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the table above with some columns changed, and gives its path."""

    def write(kind: str = "csv", **columns: list[Any]) -> str:
        path = tmp_path / f"log.{kind}"
        frame = pl.DataFrame({**TABLE, **columns}, strict=False)
        if kind == "parquet":
            frame.write_parquet(path)
        else:
            frame.write_csv(path, separator="\t" if kind == "tsv" else ",")
        return str(path)

    return write


def read(path: str, **schema: Any) -> Log:
    return load({"source": path, "schema": {**SCHEMA, **schema}})


def column(log: Log, name: str) -> list[int]:
    return log.features[:, [field.name for field in log.fields].index(name)].tolist()


def test_rows_are_sorted_by_time_and_ids_by_text(write: Write) -> None:
    log = read(write())
    assert log.times.tolist() == [10, 20, 30, 40]
    assert log.labels.tolist() == [0, 1, 0, 1]
    assert column(log, "uid") == [1, 2, 0, 0]
    assert column(log, "iid") == [0, 1, 2, 2], "'30' < '4' < '7'"
    assert log.users[2] == log.users[3] != log.users[0]
    assert log.name == "log.csv"


def test_csv_tsv_and_parquet_give_the_same_log(write: Write) -> None:
    extra = {"cat": ["x", None, "y", "x"], "num": [1.5, None, -3.0, 2.0], "seq": ["1,2", "", "3", None]}
    schema = {"categorical": ["cat"], "numeric": ["num"], "sequence": ["seq"]}
    prints = {read(write(kind, **extra), **schema).fingerprint for kind in ("csv", "tsv", "parquet")}
    assert len(prints) == 1


def test_rows_of_equal_time_and_logs_without_time_keep_the_order_of_the_file(write: Write) -> None:
    rows = 2000
    many = {
        "clicked": [0, 1] * 1000,
        "uid": ["ann"] * rows,
        "iid": list(range(rows)),
        "ts": [7, 7, 7, 5] * 500,
    }
    log = read(write("parquet", **many))
    order = np.argsort(many["ts"], kind="stable")
    by_text = {text: place for place, text in enumerate(sorted(map(str, range(rows))))}
    assert column(log, "iid") == [by_text[str(row)] for row in order]
    path = write()
    log = load({"source": path, "schema": {"label": "clicked", "user": "uid"}})
    assert log.labels.tolist() == TABLE["clicked"]
    assert log.times.tolist() == [0, 1, 2, 3]
    assert [field.name for field in log.fields] == ["uid"]


@pytest.mark.parametrize(
    ("kind", "times", "seconds"),
    [
        ("csv", ["2.5", "1", "-0.5", "1e3"], [-1, 1, 2, 1000]),
        ("parquet", [2.5, 1.0, -0.5, 1000.0], [-1, 1, 2, 1000]),
        (
            "csv",
            ["1970-01-02", "1970-01-01 00:00:09", "1970-01-01T00:00:09Z", "1970-01-01T02:00:00+01:00"],
            None,
        ),
        ("parquet", [date(1970, 1, 2), date(1970, 1, 1), date(1969, 12, 31), date(1970, 1, 3)], None),
        ("parquet", [datetime(1970, 1, 1, h, tzinfo=UTC) for h in (3, 2, 1, 0)], [0, 3600, 7200, 10800]),
    ],
)
def test_times_may_be_numbers_texts_or_dates(
    write: Write, kind: str, times: list[Any], seconds: list[int] | None
) -> None:
    log = read(write(kind, ts=times))
    by_hand = {"csv": [9, 9, 3600, 86400], "parquet": [-86400, 0, 86400, 172800]}
    assert log.times.tolist() == (seconds or by_hand[kind])


def test_dates_without_a_zone_are_utc_wherever_we_are(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        log = read(write(ts=["1970-01-01 00:00:09"] * 4))
    time.tzset()
    assert log.times.tolist() == [9] * 4


def test_labels_may_be_a_threshold_or_truth_values(write: Write) -> None:
    stars = write(clicked=[5, 4, 3.5, 1])
    for positive, labels in ((">= 4", [1, 0, 0, 1]), ("<4", [0, 1, 1, 0]), ("== 3.5", [0, 0, 1, 0])):
        assert read(stars, positive=positive).labels.tolist() == labels
    for kind in ("csv", "parquet"):
        assert read(write(kind, clicked=[True, False, False, True])).labels.tolist() == [0, 1, 0, 1]


def test_numeric_columns_become_buckets_of_about_equal_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = 3200
    values = rng.lognormal(0, 3, rows)
    frame = pl.DataFrame({"y": rng.integers(0, 2, rows), "u": np.arange(rows), "x": values})
    frame.write_parquet(tmp_path / "n.parquet")
    table = {"label": "y", "user": "u", "numeric": ["x"]}
    log = load({"source": str(tmp_path / "n.parquet"), "schema": table})
    counts = np.bincount(column(log, "x"))
    assert counts[0] == 0, "no cell is empty"
    assert len(counts) == 33
    assert counts[1:].min() > 90
    ordered = np.array(column(log, "x"))[np.argsort(values)]
    assert (np.diff(ordered) >= 0).all()


def test_numeric_columns_may_be_empty_constant_or_infinite(write: Write) -> None:
    log = read(
        write("parquet", x=[None] * 4, c=[3, 3, None, 3], f=["inf", "1", "-inf", "NaN"]),
        numeric=["x", "c", "f"],
    )
    assert column(log, "x") == [0, 0, 0, 0]
    assert column(log, "c")[2] == 0
    assert len(set(column(log, "c"))) == 2
    f = dict(zip(log.times.tolist(), column(log, "f"), strict=True))
    assert f[20] == 0 < f[30] < f[10] < f[40]


def test_an_empty_category_is_a_value_of_its_own(write: Write) -> None:
    log = read(write(cat=["b", None, "a", "b"]), categorical=["cat"])
    assert column(log, "cat") == [0, 2, 1, 2]


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("csv", ["[1, 2]", "", "9|8|7|6|5|4", "'2' 1"]),
        ("parquet", [[1, 2], [], [9, 8, 7, 6, 5, 4], [2, 1]]),
        ("parquet", [["1", "2"], None, ["9", "8", "7", "6", "5", "4"], ["2", "1"]]),
    ],
)
def test_sequences_become_their_last_five_entries(write: Write, kind: str, cells: list[Any]) -> None:
    log = read(write(kind, seq=cells), sequence=["seq"])
    places = {field.name: field.size for field in log.fields if field.name.startswith("seq")}
    assert places == {f"seq_{place}": 8 for place in range(1, 6)}, (
        "1, 2, 4 to 8, and none; 9 is sixth from the end"
    )
    rows = np.array([column(log, name) for name in places]).T.tolist()
    assert rows == [[0] * 5, [1, 2, 0, 0, 0], [3, 4, 5, 6, 7], [2, 1, 0, 0, 0]]


def test_sequences_may_all_be_empty(write: Write) -> None:
    log = read(write(seq=["", "", "", ""]), sequence=["seq"])
    assert not log.features[:, -5:].any()


def test_columns_of_many_values_are_hashed(tmp_path: Path) -> None:
    rows = 5000
    pl.DataFrame({"y": [0, 1] * 2500, "u": range(rows)}).write_csv(tmp_path / "big.csv")
    table = {"label": "y", "user": "u", "max_ids": 300}
    log = load({"source": str(tmp_path / "big.csv"), "schema": table})
    assert log.fields[0].size == 300
    assert len(set(column(log, "u"))) == 300
    assert len(set(log.users.tolist())) == rows, "who is who is not hashed away"


def test_the_layout_of_kuairand_loads_and_splits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = 4000
    head = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,"
    head += (
        "long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
    )
    lines = [head]
    for row in range(rows):
        flags = ",".join(map(str, rng.integers(0, 2, 7)))
        play, tab = int(rng.integers(0, 90_000)), int(rng.integers(0, 15))
        lines.append(
            f"{rng.integers(0, 100)},{rng.integers(0, 800)},20220408,1400,{1649400000000 + row * 977},"
            f"{flags},{play},{int(play * 1.5)},0,0,0,0,{tab}"
        )
    (tmp_path / "log_standard.csv").write_text("\n".join(lines) + "\n")
    schema = {"label": "long_view", "user": "user_id", "item": "video_id", "time": "time_ms"}
    schema |= {"categorical": ["tab", "hourmin"], "numeric": ["duration_ms"]}
    log = load({"source": str(tmp_path / "log_standard.csv"), "schema": schema, "split": "time"})
    assert [field.name for field in log.fields] == ["user_id", "video_id", "tab", "hourmin", "duration_ms"]
    assert log.times[0] == 1649400000000
    for by in ("user", "time"):
        assert len(split(log, by=by, folds=5)["claim"].held_out) > 100


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"clicked": [1, 0, 2, 1]}, r"label column 'clicked' must hold 0 or 1 .*positive.*row 3 holds '2'"),
        ({"clicked": [1, "yes", 0, 1]}, "label column 'clicked' must hold 0 or 1 .*row 2 holds 'yes'"),
        ({"clicked": [1, 0, 0, None]}, "label column 'clicked' is empty in row 4, in 1 of 4 rows"),
        ({"uid": [None, "b", None, "c"]}, "user column 'uid' is empty in row 1, in 2 of 4 rows"),
        ({"iid": [1, 2, None, None]}, "item column 'iid' is empty in row 3"),
        ({"ts": [1, 2, 3, "soon"]}, "time column 'ts' must hold finite numbers, row 4 holds 'soon'"),
        ({"ts": [1, "nan", 3, 4]}, "time column 'ts' must hold finite numbers, row 2 holds 'nan'"),
        ({"ts": ["2024-01-01", "2024-13-01", "", ""]}, "time column 'ts' is empty in row 3"),
        (
            {"ts": ["2024-01-01", "2024-13-01", "3", "4"]},
            "time column 'ts' must hold .*ISO.*row 2 holds '2024-13-01'",
        ),
        (
            {"num": [1, "NA", 3, 4]},
            "numeric column 'num' must hold .* words of data.schema.missing, row 2 holds 'NA'",
        ),
        (
            {"num": [1, 2, "3,5", 4]},
            "numeric column 'num' must hold numbers such as 3.5, .* row 3 holds '3,5'",
        ),
    ],
)
def test_a_bad_cell_is_named_by_column_and_row(
    write: Write, columns: dict[str, list[Any]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(write(**columns), numeric=["num"] if "num" in columns else [])


def test_types_that_cannot_be_meant_are_named(write: Write) -> None:
    nested = write("parquet", iid=[[1], [2], [3], [4]])
    with pytest.raises(DataError, match=r"column 'iid' holds List.*data\.schema\.sequence"):
        read(nested)
    lists = write("parquet", iid=[[[1]], [[2]], [[3]], [[4]]])
    with pytest.raises(DataError, match=r"sequence column 'iid' must hold lists or texts, is List\(List"):
        load({"source": lists, "schema": {"label": "clicked", "user": "uid", "sequence": ["iid"]}})
    nested = write("parquet", iid=[[1], [2], [3], [4]])
    with pytest.raises(DataError, match="sequence column 'clicked' must hold lists or texts, is Int64"):
        load(
            {
                "source": nested,
                "schema": {"label": "ts", "user": "uid", "positive": "> 15", "sequence": ["clicked"]},
            }
        )
    with pytest.raises(DataError, match=r"numeric column 'iid' must hold numbers .*, is List"):
        load({"source": nested, "schema": {"label": "clicked", "user": "uid", "numeric": ["iid"]}})


def test_a_missing_column_is_named_with_the_nearest_and_all_others(write: Write) -> None:
    with pytest.raises(DataError) as raised:
        read(write(), item="idd")
    assert "no column 'idd', which data.schema names as item (did you mean" in str(raised.value)
    assert "its columns are clicked, uid, iid, ts" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lable": "x"}, r"unknown key data\.schema\.lable \(did you mean 'label'\?\)"),
        (
            {"positive": ">= four"},
            r'positive must be a word, .* a comparison such as ">= 4", got \'>= four\'',
        ),
        ({"positive": []}, r"positive must be a text, got \[\]"),
        ({"positive": ["yes", 1]}, r"positive must be a text, got \['yes', 1\]"),
        ({"missing": "NA"}, "missing must be a list of texts, got 'NA'"),
        (
            {"encoding": "latin-99"},
            "encoding must be one that Python knows, such as \"latin-1\", got 'latin-99'",
        ),
        ({"categorical": "tab"}, "categorical must be a list of column names, got 'tab'"),
        ({"max_ids": 0}, "max_ids must be a whole number above 0, got 0"),
        ({"encoding": "base64"}, "encoding must be one that Python knows, such as .*, got 'base64'"),
        ({"max_ids": True}, "max_ids must be a whole number above 0, got True"),
        ({"user": 3}, r"data\.schema\.user must be a text, got 3"),
        ({"numeric": ["clicked"]}, "names column 'clicked' 2 times"),
        ({"time": "clicked"}, "'clicked' as label and as time"),
    ],
)
def test_a_bad_schema_names_its_key(write: Write, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(write(), **change)


@pytest.mark.parametrize("key", ["label", "user"])
def test_a_schema_needs_a_label_and_a_user(write: Write, key: str) -> None:
    schema = {name: value for name, value in SCHEMA.items() if name != key}
    with pytest.raises(DataError, match=rf"data\.schema\.{key} is missing"):
        load({"source": write(), "schema": schema})
    with pytest.raises(DataError, match=r"data\.schema must be a table, got 'x'"):
        load({"source": write(), "schema": "x"})


def test_words_for_an_empty_cell_are_empty_cells_in_every_kind_of_file(write: Write) -> None:
    cells = {
        "cat": ["x", "NA", "y", r"\N"],
        "num": ["1.5", "NA", "-3", r"\N"],
        "seq": ["1 2", "NA", "3", r"\N"],
    }
    schema = {"categorical": ["cat"], "numeric": ["num"], "sequence": ["seq"], "missing": ["NA", r"\N"]}
    spelt = {read(write(kind, **cells), **schema).fingerprint for kind in ("csv", "parquet")}
    plain = {
        name: [None if cell in ("NA", r"\N") else cell for cell in column] for name, column in cells.items()
    }
    assert spelt == {read(write("csv", **plain), **schema).fingerprint}
    with pytest.raises(DataError, match="label column 'clicked' is empty in row 2, in 1 of 4 rows"):
        read(write(clicked=[1, "NA", 0, 1]), missing=["NA"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_label_may_be_a_word_or_several(write: Write, kind: str) -> None:
    words = write(kind, clicked=["yes ", "no", "maybe", "yes"])
    assert read(words, positive="yes").labels.tolist() == [0, 1, 0, 1]
    assert read(words, positive=["yes", "maybe"]).labels.tolist() == [0, 1, 1, 1]
    assert read(write(kind), positive="1").labels.tolist() == [0, 1, 0, 1], "a number is a word, too"


@pytest.mark.parametrize(
    ("labels", "positive", "said"),
    [
        ([0] * 3000, None, "label column 'clicked' holds only 0"),
        ([True] * 3000, None, "label column 'clicked' holds only 1"),
        ([0, 1] * 1500, "yes", "0 of 3,000 rows match `positive`.* holds '0', '1'$"),
        (["No", "Yes"] * 1500, "yes", "0 of 3,000 rows match `positive`.* holds 'No', 'Yes'$"),
        ([1, 5, 2] * 1000, ">= 1", "3,000 of 3,000 rows match `positive`.* holds '1', '2', '5'$"),
        (list(range(3000)), "> 4000", r"0 of 3,000 rows match `positive`.*, \.\.\.$"),
    ],
)
def test_a_label_of_one_value_says_which(
    tmp_path: Path, labels: list[Any], positive: str | None, said: str
) -> None:
    path = tmp_path / "log.csv"
    pl.DataFrame({"clicked": labels, "uid": range(3000)}).write_csv(path)
    schema = {"label": "clicked", "user": "uid"} | ({"positive": positive} if positive else {})
    with pytest.raises(DataError, match=said):
        load({"source": str(path), "schema": schema})


def test_a_wrong_encoding_is_named_with_the_key_to_set(write: Write) -> None:
    with pytest.raises(DataError, match=r'is no ascii text: set data\.schema\.encoding, such as "latin-1"'):
        read(write(uid=["Zoë", "b", "c", "d"]), encoding="ascii")


def test_what_is_compressed_is_told_by_the_content(write: Write, tmp_path: Path) -> None:
    content = Path(write()).read_bytes()
    (tmp_path / "zipped.csv").write_bytes(gzip.compress(content))
    (tmp_path / "plain.csv.gz").write_bytes(content)
    prints = {read(str(tmp_path / name)).fingerprint for name in ("log.csv", "zipped.csv", "plain.csv.gz")}
    assert len(prints) == 1


def test_categories_of_a_parquet_file_are_texts(tmp_path: Path, write: Write) -> None:
    columns = {"clicked": ["yes", "no", "no", "yes"], "cat": ["x", "NA", "x", "y"]}
    schema = {"positive": "yes", "categorical": ["cat"], "missing": ["NA"]}
    path = tmp_path / "categories.parquet"
    frame = pl.DataFrame({**TABLE, **columns}).with_columns(pl.col("clicked", "cat").cast(pl.Categorical))
    frame.write_parquet(path)
    assert read(str(path), **schema).fingerprint == read(write(**columns), **schema).fingerprint


def test_columns_that_the_schema_does_not_name_are_left_alone(write: Write) -> None:
    nested = write("parquet", other=[[{"a": 1}]] * 4)
    assert read(nested).fingerprint == read(write()).fingerprint
