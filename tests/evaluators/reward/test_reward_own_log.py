"""The user's own log: both forms, what is counted from who and when, and messages that say what to change."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recevolve.evaluators.data import DataError
from recevolve.evaluators.kinds.registry import adapted
from recevolve.evaluators.reward.logs.log import RewardLog
from recevolve.evaluators.reward.logs.logs import load
from recevolve.evaluators.reward.logs.signals import Signals
from recevolve.evaluators.reward.logs.visits import DAY, around, came_next_day, grouped
from recevolve.evaluators.reward.settings import Settings
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox

SIGNALS = """
[[signal]]
name = "buy"
role = "prediction"
unit = "probability"
low = 0
high = 1
words = "predicted chance of a purchase"
better = 1

[[signal]]
name = "regret"
role = "prediction"
unit = "probability"
low = 0
high = 1
words = "predicted chance of a return of goods"
better = -1

[[signal]]
name = "popularity"
role = "context"
unit = "share"
low = 0
high = 1
words = "rank of the item by sales"

[[signal]]
name = "later_days"
role = "outcome"
unit = "days"
low = 0
high = 7
words = "active days in the week after"
better = 1
"""
USERS, DAYS = 400, 60


def table(seed: int = 0) -> pl.DataFrame:
    """Requests of four candidates; whoever is shown what they regret comes back less often."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("request", "who", "at", "buy", "regret", "popularity", "shown", "chance")
    }
    for user in range(USERS):
        rate, day = 0.5, 0
        while day < DAYS:
            buy, regret, popularity = rng.random((3, 4)).round(4)
            chance = np.array([0.4, 0.3, 0.2, 0.1])
            chosen = rng.choice(4, p=chance)
            rate = np.clip(0.7 * rate + 0.3 * (1.1 - regret[chosen]), 0.05, 1.0)
            for place in range(4):
                values = (f"{user}-{day}", f"u{user}", day * DAY + 60 * place, buy[place], regret[place])
                more = (popularity[place], int(place == chosen), chance[place])
                for name, value in zip(rows, (*values, *more), strict=True):
                    rows[name].append(value)
            day += 1 + int(rng.geometric(rate))
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own")
    (path / "signals.toml").write_text(SIGNALS)
    table().write_csv(path / "log.csv")
    table().write_parquet(path / "log.parquet")
    return path


SLATES = {"user": "who", "time": "at", "slate": "request", "shown": "shown", "propensity": "chance"}


def read(folder: Path, name: str = "log.csv", schema: dict[str, str] | None = None, **more: Any) -> RewardLog:
    settings = Settings(signals=folder / "signals.toml", north_star="replay", **more)
    signals = Signals.read(folder / "signals.toml")
    return load(
        {"source": str(folder / name), "schema": SLATES if schema is None else schema}, settings, signals
    )


def test_slates_are_read_with_their_propensities(folder: Path) -> None:
    log = read(folder)
    assert log.choices == 4
    assert set(np.round(log.propensity, 3)) == {0.1, 0.2, 0.3, 0.4}
    share = [float((log.chosen == place).mean()) for place in range(4)]
    assert share == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)
    assert log.outcomes["later_days"].max() <= 7
    assert log.before.max() <= 7
    assert log.columns["popularity"].shape == log.columns["buy"].shape == (4, len(log))


def test_parquet_and_csv_are_the_same_log(folder: Path) -> None:
    assert read(folder).fingerprint == read(folder, "log.parquet").fingerprint


def test_the_order_of_rows_in_the_file_does_not_matter(folder: Path) -> None:
    mixed = table().sample(fraction=1.0, shuffle=True, seed=1)
    mixed.write_csv(folder / "mixed.csv")
    one, other = read(folder), read(folder, "mixed.csv")

    def rows(log: RewardLog) -> list[tuple[float, ...]]:
        shown = log.columns["buy"][log.chosen, np.arange(len(log))]
        return sorted(zip(log.user, shown, log.outcomes["later_days"], log.propensity, strict=True))

    assert rows(one) == rows(other)


def test_impressions_alone_become_slates(folder: Path) -> None:
    log = read(folder, schema={"user": "who", "time": "at"}, choices=5)
    assert log.choices == 5
    assert np.allclose(log.propensity, 0.2)
    assert np.bincount(log.chosen, minlength=5).min() > 0.15 * len(log)


def test_a_search_on_it_can_be_judged(folder: Path, sandbox: Sandbox) -> None:
    data = {"source": str(folder / "log.csv"), "schema": SLATES}
    settings = {
        "signals": str(folder / "signals.toml"),
        "north_star": "replay",
        "rung_rows": (500, 1_000, 9_999),
        "satisfaction": (),
    }
    task = adapted(TASK, data, settings)
    assert set(task.seeds) == {"buy", "regret", "equal_weights"}
    judge = task.judge(data, settings, Limits(cpu_seconds=20.0))
    scores = {}
    for name, source in task.seeds.items():
        assert task.examine(source, sandbox).score
        score = judge.proxy(source, 2, sandbox).score
        assert score is not None
        scores[name] = score.value
        assert judge.north_star(source, "claim", 1, 2, sandbox).score
        assert "popularity_lean" in judge.guard(source, sandbox).metrics
    assert scores["regret"] > scores["buy"], (
        "the seed of a prediction that is not wanted takes it with a minus"
    )
    assert "hate_ratio" not in judge.guard(task.seeds["buy"], sandbox).metrics


def test_simulated_users_are_refused_for_signals_they_lack(folder: Path) -> None:
    settings = {"signals": str(folder / "signals.toml")}
    with pytest.raises(ValueError, match=r"without buy, regret.*replay"):
        TASK.judge({"source": str(folder / "log.csv"), "schema": SLATES}, settings, Limits())


def test_days_are_counted_from_who_and_when() -> None:
    users = np.array([1, 1, 1, 2, 1, 1])
    times = np.array([0, 100, DAY, 0, 8 * DAY, 20 * DAY])
    before, later = around(users, times)
    assert later.tolist() == [1, 1, 1, 0, 0, 0]
    assert before.tolist() == [0, 0, 1, 0, 1, 0]
    assert came_next_day(users, times).tolist() == [1, 1, 0, 0, 0, 0]


def test_slates_of_one_user_follow_in_time() -> None:
    users = np.array([7, 3, 7, 7, 3, 7, 7])
    times = np.array([5, 1, 3, 1, 2, 4, 2])
    slates = grouped(users, times, 2)
    assert slates.T.tolist() == [[1, 4], [3, 6], [2, 5]]


def spoilt(folder: Path, change: Any) -> str:
    change(table()).write_csv(folder / "spoilt.csv")
    return "spoilt.csv"


@pytest.mark.parametrize(
    ("change", "schema", "words"),
    [
        (
            lambda t: t.drop("buy"),
            SLATES,
            "no column 'buy', which the signals file names as prediction",
        ),
        (lambda t: t.rename({"buy": "buys"}), SLATES, "did you mean 'buys'"),
        (lambda t: t, {"user": "who"}, "data.schema.time is missing"),
        (lambda t: t, {**SLATES, "item": "x"}, "unknown key data.schema.item"),
        (lambda t: t, {"user": "who", "time": "at", "slate": "request"}, "without propensity, shown"),
        (lambda t: t, {**SLATES, "user": "whom"}, "no column 'whom', which data.schema names as user"),
        (lambda t: t.with_columns(shown=pl.lit(1)), SLATES, "must mark exactly one candidate as shown"),
        (lambda t: t.with_columns(shown=pl.lit(2)), SLATES, "must hold 0 or 1"),
        (lambda t: t.with_columns(chance=pl.lit(0.0)), SLATES, "propensities must lie in"),
        (lambda t: t.with_columns(buy=pl.lit("x")), SLATES, "must hold finite numbers, row 1 holds 'x'"),
        (
            lambda t: t.with_columns(buy=pl.lit(None, pl.Float64)),
            SLATES,
            "must hold finite numbers, row 1 holds None",
        ),
        (lambda t: t.with_columns(buy=pl.col("buy") * 9), SLATES, "buy must lie in 0 to 1"),
        (lambda t: t.with_columns(who=pl.lit(None, pl.String)), SLATES, "user column 'who' is empty"),
        (lambda t: t.with_columns(request=pl.int_range(pl.len())), SLATES, "nothing to choose from"),
        (lambda t: t.head(0), SLATES, "holds no rows"),
        (lambda t: t.head(8), SLATES, "no slate that can be used"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, change: Any, schema: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(folder, spoilt(folder, change), schema)


def test_files_that_cannot_be_read_are_told(folder: Path) -> None:
    (folder / "broken.parquet").write_bytes(b"nonsense")
    for name, words in (("none.csv", "there is no file"), ("broken.parquet", "cannot be read")):
        with pytest.raises(DataError, match=words):
            read(folder, name)


def test_predictions_that_look_observed_are_questioned(folder: Path) -> None:
    assert read(folder).warnings == ()
    flags = spoilt(folder, lambda t: t.with_columns(buy=(pl.col("buy") > 0.5).cast(pl.Int64)))
    (warning,) = read(folder, flags).warnings
    assert "prediction 'buy' holds only 0 and 1, as an outcome does" in warning
    nothing = spoilt(folder, lambda t: t.with_columns(buy=pl.lit(0)))
    assert read(folder, nothing).warnings == (), "a model that says no to everything predicts"
    equal = spoilt(folder, lambda t: t.with_columns(later_days=pl.col("regret")))
    with pytest.raises(DataError, match=r"prediction 'regret' equals outcome 'later_days' in every row"):
        read(folder, equal)


def test_the_spelling_of_cells_is_that_of_the_schema(folder: Path) -> None:
    text = table().rename({"who": "où"}).write_csv(separator=";")
    (folder / "latin.csv").write_bytes(text.encode("latin-1"))
    schema = SLATES | {"user": "où", "encoding": "latin-1"}
    assert read(folder, "latin.csv", schema).fingerprint == read(folder).fingerprint
    unknown = spoilt(folder, lambda t: t.with_columns(who=pl.lit("NA")))
    with pytest.raises(DataError, match="user column 'who' is empty in row 1"):
        read(folder, unknown, {**SLATES, "missing": ["NA"]})
