"""Two million rows, README's own-log config, five minutes, two workers: ten generations, and an answer."""

import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ..toy_runs import separate_command

ROWS, USERS, ITEMS = 2_000_000, 150_000, 40_000
SECONDS = 300
LATE = 1.3
"""How far beyond its budget a run may end, as a factor."""
CONFIG = """
kind = "optimizer"
run_dir = "{folder}/run"
seeds = ["adagrad"]
executor = {{ workers = 2 }}
budget = {{ seconds = {seconds} }}
[data]
source = "{folder}/impressions.parquet"
split = "time"
[data.schema]
label = "clicked"
user = "uid"
item = "iid"
time = "ts"
categorical = ["device", "category", "segment", "surface", "city", "hour"]
numeric = ["price", "age"]
"""


def popular(rng: np.random.Generator, size: int) -> np.ndarray:
    """ROWS ids by a power law: the first ones often, most of them seldom."""
    weights = np.cumsum((np.arange(1, size + 1) + 20.0) ** -1.05)
    return np.minimum(np.searchsorted(weights / weights[-1], rng.random(ROWS)), size - 1)


def write_log(path: Path) -> None:
    """A log of 12 columns whose clicks follow what users and items are like."""
    rng = np.random.default_rng(0)
    users, items = popular(rng, USERS), popular(rng, ITEMS)
    segments, categories = rng.integers(0, 20, USERS)[users], rng.integers(0, 200, ITEMS)[items]
    taste, kind = rng.normal(0, 0.5, (USERS, 4)), rng.normal(0, 0.5, (ITEMS, 4))
    taste += rng.normal(0, 0.5, (20, 4))[rng.integers(0, 20, USERS)]
    logits = -1.2 + 0.6 * (taste[users] * kind[items]).sum(axis=1) + rng.normal(0, 0.4, ITEMS)[items]
    pl.DataFrame(
        {
            "uid": users,
            "iid": items,
            "ts": np.sort(rng.integers(1_700_000_000, 1_702_419_200, ROWS)),
            "clicked": (rng.random(ROWS) < 1 / (1 + np.exp(-logits))).astype(np.int8),
            "device": rng.integers(0, 4, ROWS),
            "category": categories,
            "segment": segments,
            "surface": rng.integers(0, 6, ROWS),
            "city": popular(rng, 500),
            "hour": rng.integers(0, 24, ROWS),
            "price": np.exp(rng.normal(3, 1, ITEMS))[items],
            "age": rng.normal(300, 100, ROWS),
        }
    ).with_columns("u" + pl.col("uid").cast(pl.String)).write_parquet(path)


@pytest.mark.slow
def test_two_million_rows_and_five_minutes_give_ten_generations_and_an_answer(tmp_path: Path) -> None:
    write_log(tmp_path / "impressions.parquet")
    path = tmp_path / "mine.toml"
    path.write_text(CONFIG.format(folder=tmp_path, seconds=SECONDS))
    begin = time.monotonic()
    done = separate_command("run", path, "--json", timeout=4 * SECONDS)
    seconds = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    forecast = next(one for one in events if one["event"] == "forecast")
    print(forecast["line"], f"ended after {seconds:.0f} s", sep="\n")
    assert forecast["changed"]["settings.epochs"]
    assert forecast["generations"] >= 10
    assert min(events[-1]["generations"].values()) >= 10, events[-1]["reason"]
    assert events[-1]["gain"]["sentence"]
    assert seconds <= LATE * SECONDS
