"""Files that are no tables of readings are refused as a whole, and cost little until they are."""

import gzip
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from recevolve.engine.experiments.formats import MOST_BYTES, parse
from recevolve.evaluators.data import DataError

from ..platform import table

PARQUET = Path(__file__).with_name("parquet")
HOSTILE = {
    "300_mib_of_text": "one long text in 11 KB: 1.6 GiB to decode it",
    "claims_gigabytes": "one byte of a page changed: the decoder reserves what it says, and aborts",
    "panics": "one byte of the footer changed: the decoder raises what is no Exception",
}
"""Files that polars wrote, the last two then damaged."""


def packed(frame: pl.DataFrame) -> bytes:
    frame.write_parquet(buffer := BytesIO())
    assert len(buffer.getvalue()) < 30_000, "small until it is decoded"
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "form", "words"),
    [
        (b"", "csv", "missing: "),
        (table().write_csv().encode().replace(b"revision", b"count"), "csv", "each column once"),
        (gzip.compress(table().write_csv().encode()), "csv", "no csv"),
        (b'[{"count": 5, "count": 500}]', "json", "each name once"),
        (b"[" + b"[],[]," * 10**6 + b"[]]", "json", "at most 100,000 rows"),
        (b",".join([b"{}"] * 100_001).join([b"[", b"]"]), "json", "at most 100,000 rows"),
        (table().write_csv().encode() + b"\n,,,,,,," * 100_000, "csv", "at most 100,000 rows"),
        (b"," * 10**6, "csv", "at most 100,000 rows"),
        (b"x" * (MOST_BYTES + 1), "csv", "at most 33,554,432 bytes"),
        (b"experiment,day\n1,2\n", "csv", "missing: arm, count, mean, metric, variance"),
        (table(note=["x"]).write_csv().encode(), "csv", "not known: note"),
        (table().write_csv().encode()[:-2] + b",1,2\n", "csv", "no csv"),
        (table().head(0).write_csv().encode(), "csv", "no rows"),
        (b"{", "json", "no json"),
        (b'{"rows": 3}', "json", "a list of readings"),
        (b"[1]", "json", "a list of readings"),
        (b"[" * 100_000, "json", "no json"),
        (b"x", "xlsx", "as .csv, .parquet or .json"),
    ],
)
def test_what_is_no_table_of_readings_is_refused_as_a_whole(data: bytes, form: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse(data, form)


@pytest.mark.process
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed(pl.concat([table()] * 1000).select(pl.all().repeat_by(101).explode())), "100,000 rows"),
        (packed(table(arm=[["treatment"] * 1000])), "one text, number or date in each cell"),
        (packed(pl.concat([table(arm=["x" * 2**20])] * 33)), "33,554,432 bytes of text"),
        (b"PAR1 and nothing else", "no parquet"),
        *(((PARQUET / f"{name}.parquet").read_bytes(), "no parquet") for name in HOSTILE),
    ],
)
def test_a_parquet_file_that_is_no_table_of_readings_is_refused_in_bounded_memory(
    data: bytes, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=words):
        parse(data, "parquet")
    assert "panicked" not in capfd.readouterr().err
