"""Readings: rows that an experiment platform sends, read from a file and checked one by one.

A row is the moments of one metric in one arm among the users who entered on one day: what one GROUP BY gives.
"""

import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
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
MOST_ROWS = 1_000_000
MOST_REVISIONS = 10_000
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
    """The rows of a CSV, Parquet or JSON text, unchecked. DataError where it is no table of readings."""
    try:
        if form == "csv":
            frame = pl.read_csv(io.BytesIO(data), infer_schema=False, n_rows=MOST_ROWS + 1)
        elif form == "parquet":
            frame = pl.read_parquet(io.BytesIO(data), n_rows=MOST_ROWS + 1)
        elif form == "json":
            return _from_json(json.loads(data))
        else:
            raise DataError(f"expected readings as .csv, .parquet or .json, got .{form}")
    except (pl.exceptions.PolarsError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"these bytes are no {form} of readings: {error}") from None
    _require_columns(frame.columns)
    return _sized(frame.to_dicts())


def _from_json(found: Any) -> Sequence[Row]:
    """The rows of a list of objects, or of an object whose `rows` is one."""
    rows = found.get("rows") if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise DataError('expected a list of readings, or {"rows": [...]}, each an object')
    return _sized(rows)


def _sized(rows: Sequence[Row]) -> Sequence[Row]:
    if not rows:
        raise DataError("there are no rows in it")
    if len(rows) > MOST_ROWS:
        raise DataError(f"expected at most {MOST_ROWS:,} rows, got more: send them in parts")
    return rows


def _require_columns(columns: Iterable[str]) -> None:
    columns = list(columns)
    missing, unknown = set(REQUIRED) - set(columns), set(columns) - set(COLUMNS)
    if missing or unknown:
        parts = [f"missing: {', '.join(sorted(missing))}"] if missing else []
        parts += [f"not known: {', '.join(sorted(unknown))}"] if unknown else []
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
            about = " ".join(str(row.get(name, ""))[:40] for name in ("experiment", "day", "arm", "metric"))
            found.rejected.append(Rejected(number, about, str(error)))
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
    if strange := [str(name) for name in row if name not in COLUMNS]:
        raise Refused(f"no such column: {', '.join(sorted(strange))}")
    if lacking := [name for name in REQUIRED if row.get(name) in (None, "")]:
        raise Refused(f"nothing stands in {', '.join(lacking)}")
    name = str(row["experiment"])
    experiment = experiments.get(name)
    if experiment is None:
        raise Refused(f"there is no experiment {name[:40]!r} in this run")
    early = experiment.state in (State.PROPOSED, State.VALIDATED)
    if early or experiment.backend != "live" or experiment.outcome is Outcome.INVALID:
        raise Refused(f"experiment {name} takes no readings: it is {experiment.state} ({experiment.reason})")
    arm, metric = str(row["arm"]), str(row["metric"])
    if arm not in (TREATMENT, CONTROL):
        raise Refused(f"arm must be {TREATMENT} or {CONTROL}, got {arm[:40]!r}")
    if metric not in rules.metrics:
        raise Refused(f"metric must be one of {', '.join(rules.metrics)}, got {metric[:40]!r}")
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


def _whole(value: Any, name: str, low: int, high: int) -> int:
    number = _number(value, name)
    if not number.is_integer() or not low <= number <= high:
        raise Refused(f"{name} must be a whole number from {low} to {high}, got {str(value)[:40]!r}")
    return int(number)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool):
        raise Refused(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} must be a number, got {str(value)[:40]!r}") from None
    if not math.isfinite(number):
        raise Refused(f"{name} must be finite, got {number}")
    return number


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = str(value)
    try:
        if len(text) == len("2026-01-31"):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refused(f"day must be a date such as 2026-01-31, got {text[:40]!r}")


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
