"""Readings: rows that an experiment platform sends, read from a file and checked one by one.

A row is the moments of one metric in one arm among the users who entered on one day: what one GROUP BY gives.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import polars as pl

from ...evaluators.data import DataError
from ...population.values.experiment import CONTROL, TREATMENT, Experiment, Outcome, Reading, State
from ..config.experiments import Online

COLUMNS: Mapping[str, str] = {
    "experiment": "id of the experiment, as in the manifest",
    "day": "ISO date (UTC) on which these users entered the experiment; a user has one day for good",
    "arm": "treatment or control",
    "metric": "name of a metric of the manifest",
    "count": "users who entered on that day, 1 or more, whole",
    "mean": "mean of the metric over these users, since each one's entry",
    "variance": "sample variance over these users (denominator count - 1; 0 of one user)",
    "revision": "0, and one more each time a row already sent is sent corrected; may be left out",
}
"""The columns of a file of readings, and what they mean."""
REQUIRED = tuple(name for name in COLUMNS if name != "revision")
NUMBERS = ("count", "mean", "variance", "revision")
MOST_BYTES = 32 * 2**20
"""Of a file, and of the text of its columns once decoded."""
MOST_ROWS = 100_000
MOST_REJECTED = 1_000
"""Rows of a file that may be refused one by one; with more of them it is refused as a whole."""
MOST_REVISIONS = 10_000
MOST = 1e100
"""Of a mean or variance, either sign: squares and sums of such numbers are finite."""
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
DAY = timedelta(days=1)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was refused: its number from 1, what it was about, and why."""

    row: int
    what: str
    reason: str


@dataclass
class Sorted:
    """What became of the rows of one file. `taken` are the readings to keep, of whatever use they are."""

    taken: list[Reading] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """By one of COUNTS."""
    rejected: list[Rejected] = field(default_factory=list)


class Refused(ValueError):
    """A row that is no reading; the message says why."""


def parse(data: bytes, form: str) -> Sequence[Row]:
    """The rows of a CSV, Parquet or JSON text, unchecked. DataError where it is no table of readings.

    What would be large once decoded is refused before it is decoded.
    """
    if len(data) > MOST_BYTES:
        raise DataError(f"expected at most {MOST_BYTES:,} bytes, got {len(data):,}: send them in parts")
    try:
        if form == "csv":
            rows = _from_csv(_text(data))
        elif form == "parquet":
            rows = _from_parquet(data)
        elif form == "json":
            rows = _from_json(_text(data))
        else:
            raise DataError(f"expected readings as .csv, .parquet or .json, got .{form}")
    except (
        pl.exceptions.PolarsError,
        csv.Error,
        UnicodeDecodeError,
        json.JSONDecodeError,
        RecursionError,
    ) as error:
        raise DataError(f"these bytes are no {form} of readings: {error}") from None
    if not rows:
        raise DataError("there are no rows in it")
    return rows


def _text(data: bytes) -> str:
    """The text of CSV or JSON. DataError where it has more values than so many rows can have."""
    if sum(map(data.count, (b",", b"[", b"{"))) > (MOST_ROWS + 1) * (len(COLUMNS) + 1):
        raise _too_many()
    return data.decode("utf-8-sig")


def _too_many() -> DataError:
    return DataError(f"expected at most {MOST_ROWS:,} rows, got more: send them in parts")


def _from_csv(text: str) -> Sequence[Row]:
    """Rows whose numbers are read where they are plain decimals; anything else stays text."""
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(table, [])
    _require_columns(header)
    lines = list(islice((line for line in table if line), MOST_ROWS + 1))
    if len(lines) > MOST_ROWS:
        raise _too_many()
    if wrong := next((number for number, line in enumerate(lines, 1) if len(line) != len(header)), 0):
        raise DataError(
            f"these bytes are no csv of readings: row {wrong} has {len(lines[wrong - 1])} values under "
            f"{len(header)} columns"
        )
    return [
        {
            name: float(value) if name in NUMBERS and DECIMAL.fullmatch(value) else value
            for name, value in zip(header, line, strict=True)
        }
        for line in lines
    ]


def _from_parquet(data: bytes) -> Sequence[Row]:
    """Rows of a table whose columns, types and length are known from its footer before it is decoded."""
    lazy = pl.scan_parquet(io.BytesIO(data))
    schema = lazy.collect_schema()
    _require_columns(schema.names())
    if nested := [name for name, kind in schema.items() if kind.is_nested() or kind == pl.Binary]:
        raise DataError(
            f"expected one text, number or date in each cell, got {schema[nested[0]]} in {nested[0]}"
        )
    if lazy.select(pl.len()).collect().item() > MOST_ROWS:
        raise _too_many()
    frame = lazy.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String)).collect()
    lengths = frame.select(pl.col(pl.String).str.len_bytes().sum()).row(0)
    if sum(lengths) > MOST_BYTES:  # one long text may be told once and stand in every row
        raise DataError(f"expected at most {MOST_BYTES:,} bytes of text, got {sum(lengths):,}")
    return frame.to_dicts()


def _from_json(text: str) -> Sequence[Row]:
    """The rows of a list of objects, or of an object whose `rows` is one."""
    found = json.loads(text, parse_int=float, object_pairs_hook=_object)
    rows = found.get("rows") if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise DataError('expected a list of readings, or {"rows": [...]}, each an object')
    if len(rows) > MOST_ROWS:
        raise _too_many()
    return rows


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object, whose names JSON lets stand twice. DataError where one does."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError(
            f"expected each name once in an object, got {', '.join(_shown(name) for name, _ in pairs[:9])}"
        )
    return found


def _require_columns(columns: Iterable[str]) -> None:
    columns = list(columns)
    if len(set(columns)) < len(columns):
        raise DataError(f"expected each column once, got {', '.join(map(_shown, columns[:9]))}")
    missing, unknown = set(REQUIRED) - set(columns), set(columns) - set(COLUMNS)
    if missing or unknown:
        parts = [f"missing: {', '.join(sorted(missing))}"] if missing else []
        parts += [f"not known: {', '.join(map(_shown, sorted(unknown)[:9]))}"] if unknown else []
        raise DataError(
            f"expected the columns {', '.join(REQUIRED)} and, for corrections, revision; {'; '.join(parts)}"
        )


def sort(
    rows: Sequence[Row],
    experiments: Mapping[str, Experiment],
    known: Mapping[str, Iterable[Reading]],
    rules: Online,
    today: date,
) -> Sorted:
    """What becomes of each row, given every revision that is known of each experiment.

    Rows may come late, in any order, twice, and corrected. Nothing in a bad row touches the others.
    DataError where more than MOST_REJECTED are bad: then the file is another one than was meant.
    """
    history: dict[tuple[str, ...], dict[int, Reading]] = {}
    days: dict[str, set[date]] = {}
    for name, readings in known.items():
        for one in readings:
            history.setdefault(one.place, {})[one.revision] = one
            days.setdefault(name, set()).add(date.fromisoformat(one.day))
    found = Sorted()
    for number, row in enumerate(rows, start=1):
        try:
            one = reading_of(row, experiments, rules)
            _require_day(one, experiments[one.experiment], days.get(one.experiment, set()), rules, today)
            _place(found, one, history.setdefault(one.place, {}))
            days.setdefault(one.experiment, set()).add(date.fromisoformat(one.day))
        except Refused as error:
            about = " ".join(_shown(row.get(name, "")) for name in ("experiment", "day", "arm", "metric"))
            found.rejected.append(Rejected(number, about, str(error)))
            if len(found.rejected) > MOST_REJECTED:
                raise DataError(
                    f"more than {MOST_REJECTED:,} of its rows are no readings of this run, so none is taken. "
                    f"Row {found.rejected[0].row} is the first: {found.rejected[0].reason}"
                ) from None
    return found


def _place(found: Sorted, one: Reading, revisions: dict[int, Reading]) -> None:
    """Counts a sound reading among what is known at its place; Refused where it contradicts that."""
    if known := revisions.get(one.revision):
        if (known.count, known.mean, known.variance) != (one.count, one.mean, one.variance):
            raise Refused(
                f"revision {one.revision} of this row is known with count {known.count}, "
                f"mean {known.mean:.10g}, variance {known.variance:.10g}: a correction is revision "
                f"{max(revisions) + 1}"
            )
        found.counts["duplicate"] += 1
        return
    late = revisions and one.revision < max(revisions)
    found.counts["outdated" if late else "corrected" if revisions else "accepted"] += 1
    revisions[one.revision] = one
    found.taken.append(one)


def reading_of(row: Row, experiments: Mapping[str, Experiment], rules: Online) -> Reading:
    """The reading of a row. Refused where a value cannot be what its column says."""
    if strange := [name for name in row if name not in COLUMNS]:
        raise Refused(f"no such column: {', '.join(map(_shown, sorted(strange)[:9]))}")
    if lacking := [name for name in REQUIRED if row.get(name) in (None, "")]:
        raise Refused(f"nothing stands in {', '.join(lacking)}")
    name = _named(row, "experiment")
    experiment = experiments.get(name)
    if experiment is None:
        raise Refused(f"there is no experiment '{_shown(name)}' in this run")
    early = experiment.state in (State.PROPOSED, State.VALIDATED)
    if early or experiment.backend != "live" or experiment.outcome is Outcome.INVALID:
        raise Refused(f"experiment {name} takes no readings: it is {experiment.state} ({experiment.reason})")
    arm, metric = _named(row, "arm"), _named(row, "metric")
    if arm not in (TREATMENT, CONTROL):
        raise Refused(f"arm must be {TREATMENT} or {CONTROL}, got '{_shown(arm)}'")
    if metric not in rules.metrics:
        raise Refused(f"metric must be one of {', '.join(rules.metrics)}, got '{_shown(metric)}'")
    count = _whole(row["count"], "count", 1, 2**53)
    mean, variance = _number(row["mean"], "mean"), _number(row["variance"], "variance")
    if variance < 0 or (count == 1 and variance):
        raise Refused(f"variance must be 0 or more, and 0 of one user, got {variance:g} of {count}")
    measure = rules.metrics[metric]
    low, high = measure.low, measure.high
    if (low is not None and mean < low) or (high is not None and mean > high):
        raise Refused(f"mean of {metric} must lie in [{low}, {high}], got {mean:g}")
    revision = row.get("revision")
    number = 0 if revision in (None, "") else _whole(revision, "revision", 0, MOST_REVISIONS)
    return Reading(name, _day(row["day"]).isoformat(), metric, arm, count, mean, variance, number)


def _shown(value: Any) -> str:
    """The value in a message: its beginning, without what no terminal or archive should get."""
    if isinstance(value, str):
        return repr(value[:40])[1:-1]
    return str(value) if isinstance(value, bool | int | float | Decimal | date) else type(value).__name__


def _named(row: Row, name: str) -> str:
    if not isinstance(row[name], str):
        raise Refused(f"{name} must be a text, got {_shown(row[name])}")
    return str(row[name])


def _whole(value: Any, name: str, low: int, high: int) -> int:
    number = _number(value, name)
    if not number.is_integer() or not low <= number <= high:
        raise Refused(f"{name} must be a whole number from {low} to {high}, got {number:.17g}")
    return int(number)


def _number(value: Any, name: str) -> float:
    """The number itself: a text is none, except a plain decimal in a CSV, which is read as its number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refused(f"{name} must be a number, got '{_shown(value)}'")
    number = float(value)
    if not abs(number) <= MOST:
        raise Refused(f"{name} must be finite and at most {MOST:g} in size, got {number:g}")
    return number


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and (day := date.fromisoformat(value)).isoformat() == value:
            return day
    except ValueError:
        pass
    raise Refused(f"day must be a date such as 2026-01-31, got '{_shown(value)}'")


def _require_day(one: Reading, experiment: Experiment, days: set[date], rules: Online, today: date) -> None:
    """Refused where the day is outside the experiment's life. A day either way is left to time zones."""
    day, begun = date.fromisoformat(one.day), date.fromisoformat(experiment.created[:10])
    if day < begun - DAY:
        raise Refused(f"day {day} is before the experiment was proposed, {begun}")
    if day > today + DAY:
        raise Refused(f"day {day} has not come yet: today is {today}")
    first, last = min({*days, day}), max({*days, day})
    if (last - first).days >= rules.horizon_days:
        raise Refused(
            f"day {day} is outside the {rules.horizon_days} days of the experiment (online.horizon_days), of "
            f"which {min(days, default=day)} to {max(days, default=day)} are known"
        )
