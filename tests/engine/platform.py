"""A stand-in for an experiment platform: rows of users who entered on a day, with a known effect."""

import random
import signal
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from recevolve.engine.experiments.formats import COLUMNS

from .toy_runs import RECEVOLVE, command, descendants, gone

ONLINE: dict[str, Any] = {
    "backend": "live",
    "deciding": "days",
    "users": 500,
    "horizon_days": 7,
    "metrics": {
        "days": {"low": 0.0, "high": 28.0},
        "hate": {"low": 0.0, "high": 1.0, "better": "lower", "relative": 0.1},
    },
}
LIVE: dict[str, Any] = {
    "population": {"islands": 2, "size": 8, "births": 6, "migrate_every": 2},
    "north_star": {"every": 2, "slots": 2, "folds": 2},
    "budget": {"generations": 3, "seconds": 600},
    "online": ONLINE,
}
"""A live run of the toy kind that has two experiments in training after a second."""


def day(number: int) -> date:
    """The day so many days from yesterday; today is day 1 and tomorrow, somewhere, day 2."""
    return datetime.now(UTC).date() + timedelta(days=number - 1)


def row(experiment: str, on: date, arm: str, metric: str, mean: float, **more: Any) -> dict[str, Any]:
    """One reading of 1,000 users, as a platform would send it."""
    return {
        "experiment": experiment,
        "day": on.isoformat(),
        "arm": arm,
        "metric": metric,
        "count": 1000,
        "mean": mean,
        "variance": 9.0 if metric == "days" else 0.09,
        "revision": 0,
        **more,
    }


GOOD = row("0-a", date(2026, 3, 2), "treatment", "days", 5.5)


def table(**columns: list[Any]) -> pl.DataFrame:
    """A good reading, and more or others where columns are given."""
    return pl.DataFrame({**{name: [value] for name, value in GOOD.items()}, **columns})


def both(experiment: str, on: date, *, effect: float = 0.0, harm: float = 0.0) -> list[dict[str, Any]]:
    """The four rows of one day of an experiment."""
    return [
        row(experiment, on, "treatment", "days", 5.0 + effect),
        row(experiment, on, "control", "days", 5.0),
        row(experiment, on, "treatment", "hate", 0.1 + harm),
        row(experiment, on, "control", "hate", 0.1),
    ]


def csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The rows as a file."""
    lines = [",".join(COLUMNS), *(",".join(str(one[name]) for name in COLUMNS) for one in rows)]
    return ("\n".join(lines) + "\n").encode()


def written(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """The file, written."""
    path.write_bytes(csv(rows))
    return path


def killed_then_done(line: list[str | Path], times: int, longest: float, seed: int) -> None:
    """Starts a run, kills it at so many instants, then lets it end."""
    instants = random.Random(seed)
    for _ in range(times):
        process = subprocess.Popen(
            [*RECEVOLVE, *map(str, line)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            process.wait(instants.uniform(0.3, longest))
        except subprocess.TimeoutExpired:
            below = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            assert gone(below)
        process.communicate()
    done = command(*line)
    assert done.returncode == 0, done.stderr
