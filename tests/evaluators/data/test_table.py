"""Files that are no table, and the ways in which people write one: separators, encodings, compression."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from recevolve.evaluators.data import DataError, Log, load

SCHEMA = {"label": "clicked", "user": "uid", "item": "iid", "time": "ts"}


def read(path: str, **schema: str) -> Log:
    return load({"source": path, "schema": {**SCHEMA, **schema}})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "is empty"),
        ("header.csv", "clicked,uid,iid,ts\n", "holds no rows"),
        ("bytes.csv", "clicked,uid,iid,ts\n1,\udcff,2,3\n", "is no utf-8 text: set data.schema.encoding"),
        ("head.csv", "clicked,uid,iid,\udcff\n1,a,2,3\n", "is no utf-8 text: set data.schema.encoding"),
        ("one.csv", "clicked uid iid ts\n1 a 2 3\n", "has one column, 'clicked uid iid ts': its header must"),
        ("bad.csv.gz", "\x1f\udc8b\x08" + "\0" * 7 + "\udcff" * 9, "cannot be read: Error -3"),
        ("cut.csv.gz", "\x1f\udc8b\x08", "cannot be read: Compressed file ended"),
        ("not.parquet", "clicked,uid,iid,ts\n", "cannot be read"),
        ("log.json", "[]", r"must end in \.csv, \.tsv, \.csv\.gz, \.tsv\.gz, \.parquet, got '\.json'"),
    ],
)
def test_a_file_that_is_no_log_says_so(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=f"{name} {said}"):
        read(str(tmp_path / name))


def test_a_missing_file_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"there is no file {tmp_path}/gone.csv"):
        read(str(tmp_path / "gone.csv"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "tsv.gz"])
def test_separator_encoding_and_compression_do_not_change_the_log(
    tmp_path: Path, separator: str, encoding: str, ending: str
) -> None:
    rows = [["clicked", "uid", "iid", "ts"], ["1", "Zoë", '"a,b;c|d\te"', "3"], ["0", "Zoé", "x\u00a0y", "2"]]
    content = "\r\n".join(separator.join(row) for row in rows).encode(encoding)
    path = tmp_path / f"log.{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    pl.DataFrame(
        [["1", "0"], ["Zoë", "Zoé"], ["a,b;c|d\te", "x\u00a0y"], ["3", "2"]], list(SCHEMA.values())
    ).write_parquet(tmp_path / "same.parquet")
    same = read(str(tmp_path / "same.parquet"))
    assert read(str(path), encoding=encoding).fingerprint == same.fingerprint


@pytest.mark.parametrize(("encoding", "ending"), [("utf-8", "csv"), ("latin-1", "csv"), ("utf-8", "tsv.gz")])
def test_a_line_of_too_many_fields_is_named_as_an_editor_counts_it(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    lines = ["clicked,uid,iid,ts", '1,"two\nlines",2,3', *["0,b,4,5"] * 13, "1,a,2,3,4", "1,a,2,3,4,5"]
    content = "\n".join(lines).encode(encoding)
    path = tmp_path / f"log.{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    with pytest.raises(DataError, match="line 17 has more fields than the header, 5 to 4"):
        read(str(path), encoding=encoding)


@pytest.mark.parametrize(
    ("line", "said"),
    [('1,"a,2,3', 'cannot be read: could not parse `"a,2,3'), ('1,a,2,3,4,"5', "a line has more")],
)
def test_a_quote_that_nothing_closes_is_told(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"clicked,uid,iid,ts\n{line}\n" + "0,b,4,5\n" * 50_000)
    with pytest.raises(DataError, match=said):
        read(str(path))
