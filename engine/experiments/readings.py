"""Readings: rows that an experiment platform sends, checked one by one.

A row is the moments of one metric in one arm among the users who entered on one day: what one GROUP BY gives.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ...evaluators.data import DataError
from ...population.values.experiment import CONTROL, TREATMENT, Experiment, Outcome, Reading, State
from ..config.experiments import Online
from .formats import COLUMNS, REQUIRED, Row, shown

ABOUT = ("experiment", "day", "arm", "metric")
MOST_REJECTED = 1_000
"""Rows of a file that may be refused one by one; with more of them it is refused as a whole."""
MOST_REVISIONS = 10_000
MOST = 1e100
"""Of a mean or variance, either sign: squares and sums of such numbers are finite."""
DAY = timedelta(days=1)


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


@dataclass
class Revisions:
    """What is known at one place, by revision. `newest` is kept, as a place may have thousands."""

    known: dict[int, Reading] = field(default_factory=dict)
    newest: int = -1

    def add(self, one: Reading) -> None:
        """Adds a reading of this place."""
        self.known[one.revision] = one
        self.newest = max(self.newest, one.revision)


class Refused(ValueError):
    """A row that is no reading; the message says why."""


def read(rows: Iterable[Row], rules: Online) -> list[Reading | Rejected]:
    """The reading of each row, or why it is none, whatever the experiments are. DataError as `sort`."""
    found: list[Reading | Rejected] = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(reading_of(row, rules))
        except Refused as error:
            about = " ".join(shown(row.get(name, "")) for name in ABOUT)
            found.append(Rejected(number, about, str(error)))
    _require_few([one for one in found if isinstance(one, Rejected)])
    return found


def _require_few(rejected: Sequence[Rejected]) -> None:
    if len(rejected) > MOST_REJECTED:
        raise DataError(
            f"more than {MOST_REJECTED:,} of its rows are no readings of this run, so none is taken. "
            f"Row {rejected[0].row} is the first: {rejected[0].reason}"
        )


def sort(
    rows: Iterable[Reading | Rejected],
    experiments: Mapping[str, Experiment],
    known: Mapping[str, Iterable[Reading]],
    rules: Online,
    today: date,
) -> Sorted:
    """What becomes of each row, given every revision that is known of each experiment.

    Rows may come late, in any order, twice, and corrected. Nothing in a bad row touches the others.
    DataError where more than MOST_REJECTED are bad: then the file is another one than was meant.
    """
    history: dict[tuple[str, ...], Revisions] = {}
    days: dict[str, set[date]] = {}
    for name, readings in known.items():
        for old in readings:
            history.setdefault(old.place, Revisions()).add(old)
            days.setdefault(name, set()).add(date.fromisoformat(old.day))
    found = Sorted()
    for number, one in enumerate(rows, start=1):
        if isinstance(one, Rejected):
            found.rejected.append(one)
            continue
        try:
            experiment = _open(one.experiment, experiments)
            _require_day(one, experiment, days.get(one.experiment, set()), rules, today)
            _place(found, one, history.setdefault(one.place, Revisions()))
            days.setdefault(one.experiment, set()).add(date.fromisoformat(one.day))
        except Refused as error:
            about = " ".join(shown(getattr(one, name)) for name in ABOUT)
            found.rejected.append(Rejected(number, about, str(error)))
    _require_few(found.rejected)
    return found


def _open(name: str, experiments: Mapping[str, Experiment]) -> Experiment:
    """The experiment of that name, which takes readings; else Refused."""
    experiment = experiments.get(name)
    if experiment is None:
        raise Refused(f"there is no experiment '{shown(name)}' in this run")
    early = experiment.state in (State.PROPOSED, State.VALIDATED)
    if early or experiment.backend != "live" or experiment.outcome is Outcome.INVALID:
        raise Refused(f"experiment {name} takes no readings: it is {experiment.state} ({experiment.reason})")
    return experiment


def _place(found: Sorted, one: Reading, revisions: Revisions) -> None:
    """Counts a sound reading among what is known at its place; Refused where it contradicts that."""
    if known := revisions.known.get(one.revision):
        if (known.count, known.mean, known.variance) != (one.count, one.mean, one.variance):
            raise Refused(
                f"revision {one.revision} of this row is known with count {known.count}, "
                f"mean {known.mean:.10g}, variance {known.variance:.10g}: a correction is revision "
                f"{revisions.newest + 1}"
            )
        found.counts["duplicate"] += 1
        return
    late = one.revision < revisions.newest
    found.counts["outdated" if late else "corrected" if revisions.known else "accepted"] += 1
    revisions.add(one)
    found.taken.append(one)


def reading_of(row: Row, rules: Online) -> Reading:
    """The reading of a row. Refused where a value cannot be what its column says."""
    if strange := [name for name in row if name not in COLUMNS]:
        raise Refused(f"no such column: {', '.join(map(shown, sorted(strange)[:9]))}")
    if lacking := [name for name in REQUIRED if row.get(name) in (None, "")]:
        raise Refused(f"nothing stands in {', '.join(lacking)}")
    name, arm, metric = (_named(row, column) for column in ("experiment", "arm", "metric"))
    if arm not in (TREATMENT, CONTROL):
        raise Refused(f"arm must be {TREATMENT} or {CONTROL}, got '{shown(arm)}'")
    if metric not in rules.metrics:
        raise Refused(f"metric must be one of {', '.join(rules.metrics)}, got '{shown(metric)}'")
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


def _named(row: Row, name: str) -> str:
    if not isinstance(row[name], str):
        raise Refused(f"{name} must be a text, got {shown(row[name])}")
    return str(row[name])


def _whole(value: Any, name: str, low: int, high: int) -> int:
    number = _number(value, name)
    if not number.is_integer() or not low <= number <= high:
        raise Refused(f"{name} must be a whole number from {low} to {high}, got {number:.17g}")
    return int(number)


def _number(value: Any, name: str) -> float:
    """The number itself: a text is none, except a plain decimal in a CSV, which is read as its number."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refused(f"{name} must be a number, got '{shown(value)}'")
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
    raise Refused(f"day must be a date such as 2026-01-31, got '{shown(value)}'")


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
