"""Rows from outside are judged one by one: what is refused says why, and touches no other row."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from io import BytesIO
from json import dumps
from typing import Any

import pytest

from recevolve.engine.config.experiments import Measure, Online
from recevolve.engine.experiments.formats import parse
from recevolve.engine.experiments.readings import Sorted, read, sort
from recevolve.evaluators.data import DataError
from recevolve.population.values.experiment import COUNTS, Experiment, Outcome, State

from ..platform import GOOD, table

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


def sorted_of(*rows: Mapping[str, Any], before: Sorted | None = None) -> Sorted:
    known = {"0-a": before.taken if before else []}
    return sort(read(rows, RULES), KNOWN, known, RULES, date(2026, 3, 20))


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
        ({"count": 0}, "count must be a whole number"),
        ({"count": -5}, "count must be a whole number"),
        ({"count": 10.5}, "count must be a whole number"),
        ({"count": True}, "count must be a number"),
        ({"count": "many"}, "count must be a number"),
        ({"count": 1e300}, "count must be finite and at most"),
        ({"mean": math.nan}, "mean must be finite"),
        ({"mean": math.inf}, "mean must be finite"),
        ({"mean": 29}, r"must lie in \[0.0, 28.0\]"),
        ({"mean": -1}, r"must lie in \[0.0, 28.0\]"),
        ({"variance": -0.1}, "variance must be 0 or more"),
        ({"variance": math.inf}, "variance must be finite"),
        ({"count": 1, "variance": 2}, "0 of one user"),
        ({"mean": ""}, "nothing stands in mean"),
        ({"mean": None}, "nothing stands in mean"),
        ({"revision": -1}, "revision must be a whole number"),
        ({"revision": 1.5}, "revision must be a whole number"),
        ({"revision": 10001}, "revision must be a whole number"),
        ({"note": "x"}, "no such column: note"),
        ({"count": "1000"}, "count must be a number, got '1000'"),
        ({"mean": [5.5]}, "mean must be a number, got 'list'"),
        ({"mean": 1e200, "metric": "hate"}, "at most 1e\\+100"),
        ({"variance": 1e200}, "at most 1e\\+100"),
        ({"experiment": ["0-a"]}, "experiment must be a text"),
        ({"arm": "\ud800\x1b[2J"}, r"got '\\ud800\\x1b\[2J'"),
        ({"\udc00": 1}, r"no such column: \\udc00"),
        ({"day": "2026-W10-1"}, "a date such as"),
        ({"day": "２０２６-03-02"}, "a date such as"),
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
    assert (bad.reason + bad.what).isprintable()


def test_twice_corrected_outdated_and_contradicted_rows_are_told_apart() -> None:
    first = sorted_of(GOOD)
    again = sorted_of(
        GOOD,
        {**GOOD, "mean": 5.6},
        {**GOOD, "revision": 2, "mean": 5.8},
        {**GOOD, "revision": 1, "mean": 5.7},
        {**GOOD, "revision": 2, "mean": 5.8},
        before=first,
    )
    assert [again.counts[name] for name in COUNTS] == [0, 2, 1, 1]
    assert [one.revision for one in again.taken] == [2, 1]
    assert "a correction is revision 1" in again.rejected[0].reason


class Compared(int):
    """A revision that counts how often one is compared with another."""

    times = 0

    def __gt__(self, other: int) -> bool:
        Compared.times += 1
        return int(self) > other

    def __lt__(self, other: int) -> bool:
        Compared.times += 1
        return int(self) < other


def test_a_row_costs_the_same_however_many_revisions_its_place_has() -> None:
    first = sorted_of(*({**GOOD, "mean": 5 + k / 1000, "revision": k} for k in range(1000)))
    first.taken = [replace(one, revision=Compared(one.revision)) for one in first.taken]
    found = sorted_of(*({**GOOD, "mean": 6.0, "revision": 1000 + k} for k in range(1000)), before=first)
    assert found.counts["corrected"] == 1000
    assert 0 < Compared.times < 10_000


def test_an_experiment_has_so_many_days_and_takes_late_ones_within_them() -> None:
    found = sorted_of(
        {**GOOD, "day": "2026-03-08"}, {**GOOD, "day": "2026-03-02"}, {**GOOD, "day": "2026-03-09"},
        {**GOOD, "day": "2026-03-01"}, {**GOOD, "experiment": "3-d"},
    )  # fmt: skip
    assert found.counts["accepted"] == 3, "a rolled back experiment still takes what comes late"
    assert [one.row for one in found.rejected] == [3, 4]
    assert "2026-03-02 to 2026-03-08 are known" in found.rejected[0].reason


@pytest.mark.parametrize("text", ["1_000", "１０００", " 1000", "0x3e8", "1e", "", "٣"])
def test_a_number_in_a_csv_is_a_plain_decimal(text: str) -> None:
    def read(value: str) -> Sorted:
        return sorted_of(*parse(table(count=[value]).write_csv().encode(), "csv"))

    assert [one.count for one in read("+1.e3").taken] == [1000]
    assert re.search("count", read(text).rejected[0].reason)


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "NaN", "-Infinity", '"5.5"', "1" + "0" * 300])
def test_a_number_in_json_is_a_finite_number(number: str) -> None:
    rows = parse(dumps([{**GOOD, "mean": 0}]).replace('"mean": 0', f'"mean": {number}').encode(), "json")
    assert "mean must be" in sorted_of(*rows).rejected[0].reason


def test_a_file_of_bad_rows_is_refused_as_a_whole() -> None:
    assert len(sorted_of(*[{**GOOD, "arm": "b"}] * 1000, GOOD).rejected) == 1000
    with pytest.raises(DataError, match=r"none is taken\. Row 2 is the first: arm must be"):
        sorted_of(GOOD, *[{**GOOD, "arm": "b"}] * 1001)


@pytest.mark.process
def test_csv_parquet_and_json_say_the_same() -> None:
    text = table().write_csv().encode()
    buffer = BytesIO()
    table(day=[date(2026, 3, 2)], count=[1000], mean=[5.5], variance=[9.0], revision=[0]).write_parquet(
        buffer
    )
    json = dumps({"rows": [GOOD]}).encode()
    taken = [sorted_of(*parse(data, form)).taken for data, form in
             ((text, "csv"), (buffer.getvalue(), "parquet"), (json, "json"))]  # fmt: skip
    assert taken[0] == taken[1] == taken[2]
    assert taken[0][0].day == "2026-03-02"
