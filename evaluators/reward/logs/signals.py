"""Signals: what a log says of each impression, and who may read it; data that users replace by their own."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...data.log import did_you_mean
from ..settings import Settings

Role = Literal["prediction", "context", "outcome"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Signal(BaseModel):
    """One column: what it means, its unit, its range, and who may read it.

    A "prediction" is known when items are ranked, and rewards read these alone. A "context" describes the
    item or the user; audits read it, because a reward that follows it takes a shortcut. An "outcome" is known
    only after the impression, and a reward that depended on one could never be served.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    role: Role
    unit: str = Field(min_length=1)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    words: str = Field(min_length=1, description="what it is, in one clause")
    better: Literal[-1, 0, 1] = Field(0, description="1: more of it is wanted; -1: less; 0: neither is known")

    @model_validator(mode="after")
    def _has_a_range(self) -> "Signal":
        if not self.low < self.high:
            raise ValueError(f"signal {self.name}: low must lie below high, got {self.low} and {self.high}")
        return self


@dataclass(frozen=True)
class Signals:
    """The columns of a log, in the order of reports. ValueError where a reward could read none."""

    columns: tuple[Signal, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"signals must have different names, got {', '.join(twice)} twice")
        if not self.predictions:
            raise ValueError("signals must hold a prediction at least: rewards read nothing else")

    @cached_property
    def predictions(self) -> tuple[Signal, ...]:
        """What a reward may read."""
        return tuple(one for one in self.columns if one.role == "prediction")

    @cached_property
    def unreadable(self) -> tuple[Signal, ...]:
        """Contexts and outcomes."""
        return tuple(one for one in self.columns if one.role != "prediction")

    def __getitem__(self, name: str) -> Signal:
        return next(one for one in self.columns if one.name == name)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values that `of` reads back."""
        return [one.model_dump() for one in self.columns]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Signals":
        """The signals that these tables describe. ValueError with every wrong key."""
        try:
            return cls(tuple(Signal.model_validate(dict(row)) for row in rows))
        except ValidationError as error:
            wrong = "; ".join(map(_told, error.errors()))
            raise ValueError(f"{error.title.lower()}: {wrong}") from None

    @classmethod
    def read(cls, path: Path) -> "Signals":
        """The signals of a TOML file with one `[[signal]]` table each. ValueError, OSError."""
        try:
            rows = tomllib.loads(path.read_text(encoding="utf-8"))["signal"]
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not valid TOML: {error}") from None
        except KeyError:
            raise ValueError(f"{path}: expected a [[signal]] table for each column, got none") from None
        return cls.of(rows)

    def table(self) -> str:
        """The columns as a Markdown table."""
        lines = ["| signal | role | unit | range | what it is |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| `{one.name}` | {one.role} | {one.unit} | {one.low:g} to {one.high:g} | {one.words} |"
            for one in self.columns
        ]
        return "\n".join(lines) + "\n"


def _told(error: Mapping[str, Any]) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = Signal.model_fields
        return f"{key}: no such key{did_you_mean(key, known)}; there is {', '.join(known)}"
    return f"{key}: {error['msg']}"


def _row(name: str, role: Role, unit: str, low: float, high: float, words: str, better: int = 0) -> Signal:
    return Signal.model_validate(
        {"name": name, "role": role, "unit": unit, "low": low, "high": high, "words": words, "better": better}
    )


SIMULATED = Signals(
    (
        _row("click", "prediction", "probability", 0, 1, "predicted chance of a click", 1),
        _row("watch", "prediction", "seconds", 0, 3600, "predicted watch time if clicked", 1),
        _row("like", "prediction", "probability", 0, 1, "predicted chance of a like", 1),
        _row(
            "survey", "prediction", "standard units", -12, 12, "predicted answer of a satisfaction survey", 1
        ),
        _row("item", "context", "id", 0, 2**31, "which item it is"),
        _row("popularity", "context", "share", 0, 1, "the item's rank by clicks, 1 the most clicked"),
        _row("duration", "context", "seconds", 0, 7200, "the item's length"),
        _row("heavy", "context", "flag", 0, 1, "whether the user came often before"),
        _row("clicked", "outcome", "flag", 0, 1, "whether it was clicked", 1),
        _row("watched", "outcome", "seconds", 0, 86400, "how long it was watched", 1),
        _row("liked", "outcome", "flag", 0, 1, "whether it was liked", 1),
        _row("hated", "outcome", "flag", 0, 1, "whether it was marked as unwanted", -1),
        _row("returned", "outcome", "flag", 0, 1, "whether the user came back the next day", 1),
        _row("later_days", "outcome", "days", 0, 7, "on how many of the next seven days the user came", 1),
    )
)
"""The signals of simulated logs."""

MOVIELENS = Signals((
    _row("like", "prediction", "probability", 0, 1, "predicted chance of four stars or more", 1),
    _row("popular", "prediction", "probability", 0, 1, "predicted chance that a user rates it at all", 1),
    _row("taste", "prediction", "probability", 0, 1,
         "share of the user's earlier ratings of that genre that were high", 1),
    _row("item", "context", "id", 0, 2**31, "which film it is"),
    _row("popularity", "context", "share", 0, 1, "the film's rank by ratings, 1 the most rated"),
    _row("liked", "outcome", "flag", 0, 1, "whether it got four stars or more", 1),
    _row("later_days", "outcome", "days", 0, 7,
         "on how many of the next seven days the user rated something", 1),
))  # fmt: skip
"""The signals of MovieLens-100k: predictions are fitted on the earlier half of the ratings."""

OPEN_BANDIT = Signals((
    _row("click", "prediction", "probability", 0, 1,
         "predicted chance of a click, from rates of item and user", 1),
    _row("novel", "prediction", "share", 0, 1,
         "one minus the item's share of the training rows, in units of the largest share"),
    _row("item", "context", "id", 0, 2**31, "which item it is"),
    _row("popularity", "context", "share", 0, 1, "the item's rank by training rows, 1 the most shown"),
    _row("clicked", "outcome", "flag", 0, 1, "whether it was clicked", 1),
))  # fmt: skip
"""The signals of Open Bandit. It knows no persons, so nothing comes later: its proxy is about clicks."""

SIMULATED_SOURCE = "simulated"
SIGNALS: Mapping[str, Signals] = {
    SIMULATED_SOURCE: SIMULATED,
    "movielens-100k": MOVIELENS,
    "open-bandit": OPEN_BANDIT,
}
"""Which signals each built-in source has; logs of these sources are made in `logs`."""


def signals_of(data: Mapping[str, Any], settings: Settings) -> Signals:
    """The user's own signals, or those that the source of the data has."""
    if settings.signals is not None:
        return Signals.read(settings.signals)
    return SIGNALS.get(str(data.get("source")), SIMULATED)
