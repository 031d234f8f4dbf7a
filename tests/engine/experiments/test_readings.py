"""Rows from outside are judged one by one: what is refused says why, and touches no other row."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from io import BytesIO
from typing import Any

import polars as pl
import pytest

from recevolve.engine.config.experiments import Measure, Online
from recevolve.engine.experiments.readings import Sorted, parse, sort
from recevolve.evaluators.data import DataError
from recevolve.population.values.experiment import COUNTS, Experiment, Outcome, State

RULES = Online(
    backend="live",
    deciding="days",
    horizon_days=7,
    metrics={"days": Measure(low=0.0, high=28.0), "hate": Measure(better="lower", relative=0.1)},
)
ONE = Experiment("0-a", "a", "live", 2, 0, State.TRAINING, created="2026-03-01T10:00:00.000+00:00")
KNOWN = {
    "0-a": ONE,
    "1-b": replace(ONE, id="1-b", state=State.DECIDED, outcome=Outcome.INVALID),
    "2-c": replace(ONE, id="2-c", backend="simulator", state=State.LIVE),
    "3-d": replace(ONE, id="3-d", state=State.ROLLED_BACK),
}
GOOD = {
    "experiment": "0-a",
    "day": "2026-03-02",
    "arm": "treatment",
    "metric": "days",
    "count": "1000",
    "mean": "5.5",
    "variance": "9",
    "revision": "0",
}


def sorted_of(*rows: Mapping[str, Any], before: Sorted | None = None) -> Sorted:
    known = {"0-a": before.taken if before else []}
    return sort(rows, KNOWN, known, RULES, date(2026, 3, 20))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": "9-z"}, "no experiment '9-z'"),
        ({"experiment": "1-b"}, "takes no readings"),
        ({"experiment": "2-c"}, "takes no readings"),
        ({"arm": "b"}, "treatment or control"),
        ({"arm": "paired"}, "treatment or control"),
        ({"metric": "clicks"}, "one of days, hate"),
        ({"day": "2026-02-30"}, "a date such as"),
        ({"day": "2026-3-2"}, "a date such as"),
        ({"day": "20260302"}, "a date such as"),
        ({"day": "2026-02-27"}, "before the experiment was proposed"),
        ({"day": "2026-03-22"}, "has not come yet"),
        ({"count": "0"}, "count must be a whole number"),
        ({"count": "-5"}, "count must be a whole number"),
        ({"count": "10.5"}, "count must be a whole number"),
        ({"count": True}, "count must be a number"),
        ({"count": "many"}, "count must be a number"),
        ({"count": "1e300"}, "count must be a whole number"),
        ({"mean": "nan"}, "mean must be finite"),
        ({"mean": math.inf}, "mean must be finite"),
        ({"mean": "29"}, r"must lie in \[0.0, 28.0\]"),
        ({"mean": "-1"}, r"must lie in \[0.0, 28.0\]"),
        ({"variance": "-0.1"}, "variance must be 0 or more"),
        ({"variance": "inf"}, "variance must be finite"),
        ({"count": "1", "variance": "2"}, "0 of one user"),
        ({"mean": ""}, "nothing stands in mean"),
        ({"mean": None}, "nothing stands in mean"),
        ({"revision": "-1"}, "revision must be a whole number"),
        ({"revision": "1.5"}, "revision must be a whole number"),
        ({"revision": "10001"}, "revision must be a whole number"),
        ({"note": "x"}, "no such column: note"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_are_taken(
    change: dict[str, Any], words: str
) -> None:
    found = sorted_of(GOOD, {**GOOD, **change}, {**GOOD, "arm": "control"})
    assert found.counts["accepted"] == 2
    (bad,) = found.rejected
    assert bad.row == 2
    assert re.search(words, bad.reason), bad.reason


def test_twice_corrected_outdated_and_contradicted_rows_are_told_apart() -> None:
    first = sorted_of(GOOD)
    again = sorted_of(
        GOOD,
        {**GOOD, "mean": "5.6"},
        {**GOOD, "revision": "2", "mean": "5.8"},
        {**GOOD, "revision": "1", "mean": "5.7"},
        {**GOOD, "revision": "2", "mean": "5.8"},
        before=first,
    )
    assert [again.counts[name] for name in COUNTS] == [0, 2, 1, 1]
    assert [one.revision for one in again.taken] == [2, 1]
    assert "a correction is revision 1" in again.rejected[0].reason


def test_an_experiment_has_so_many_days_and_takes_late_ones_within_them() -> None:
    found = sorted_of(
        {**GOOD, "day": "2026-03-08"}, {**GOOD, "day": "2026-03-02"}, {**GOOD, "day": "2026-03-09"},
        {**GOOD, "day": "2026-03-01"}, {**GOOD, "experiment": "3-d"},
    )  # fmt: skip
    assert found.counts["accepted"] == 3, "a rolled back experiment still takes what comes late"
    assert [one.row for one in found.rejected] == [3, 4]
    assert "2026-03-02 to 2026-03-08 are known" in found.rejected[0].reason


def table(**columns: list[Any]) -> pl.DataFrame:
    rows = {name: [value] for name, value in GOOD.items()}
    return pl.DataFrame({**rows, **columns})


def test_csv_parquet_and_json_say_the_same() -> None:
    text = table().write_csv().encode()
    buffer = BytesIO()
    table(day=[date(2026, 3, 2)], count=[1000], mean=[5.5], variance=[9.0], revision=[0]).write_parquet(
        buffer
    )
    json = ('{"rows": [' + str(dict(GOOD)).replace("'", '"') + "]}").encode()
    taken = [sorted_of(*parse(data, form)).taken for data, form in
             ((text, "csv"), (buffer.getvalue(), "parquet"), (json, "json"))]  # fmt: skip
    assert taken[0] == taken[1] == taken[2]
    assert taken[0][0].day == "2026-03-02"


@pytest.mark.parametrize(
    ("data", "form", "words"),
    [
        (b"", "csv", "no csv"),
        (b"experiment,day\n1,2\n", "csv", "missing: arm, count, mean, metric, variance"),
        (table(note=["x"]).write_csv().encode(), "csv", "not known: note"),
        (table().write_csv().encode()[:-2] + b",1,2\n", "csv", "no csv"),
        (table().head(0).write_csv().encode(), "csv", "no rows"),
        (b"PAR1 and nothing else", "parquet", "no parquet"),
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
