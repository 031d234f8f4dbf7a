"""Logs of rewards by source: simulated, MovieLens-100k, Open Bandit, and the user's own file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...data import DataError, DataUnavailable
from ...data.log import did_you_mean
from ...data.table import is_log
from ...simulator import Parameters, explore, make_users, make_world, scenario
from ..settings import Settings
from . import own_log
from .log import Array, RewardLog
from .public_logs import bandit, movielens
from .signals import SIGNALS, SIMULATED, Signals

LOG_SEED = 10
"""Keeps the world of the log apart from those of the north star."""


def people(settings: Settings) -> Parameters:
    """Who is simulated: the people of the file, else of the scenario. DataError for a wrong file."""
    if settings.parameters is None:
        return scenario(settings.scenario, settings.alignment)
    return Parameters.read(settings.parameters)


def simulated(settings: Settings) -> RewardLog:
    """The log of a randomised experiment among simulated users, in a world by the settings' seed."""
    world = make_world(people(settings), _seed(settings, 0))
    users = make_users(world, settings.log_users, _seed(settings, 1))
    found = explore(world, users, _seed(settings, 2), choices=settings.choices)
    columns = {
        one.name: np.ascontiguousarray(found.signals[one.name].T, dtype=np.float64)
        for one in SIMULATED.columns
        if one.role != "outcome"
    }
    return RewardLog(
        name=f"simulated {settings.parameters.name if settings.parameters else settings.scenario}",
        signals=SIMULATED,
        columns=columns,
        chosen=found.chosen.astype(np.int64),
        propensity=found.propensity.astype(np.float64),
        outcomes={name: values.astype(np.float64) for name, values in found.outcomes.items()},
        user=found.user.astype(np.int64),
        before=found.before.astype(np.float64),
    )


def _seed(settings: Settings, purpose: int) -> int:
    return settings.seed * 1_000 + LOG_SEED + purpose


def load(data: Mapping[str, Any], settings: Settings, signals: Signals) -> RewardLog:
    """The log that a config's [data] table names. DataError, and DataUnavailable for what cannot be had.

    {"source": "simulated"}, {"source": "movielens-100k"}, {"source": "open-bandit", "policy": ...,
    "campaign": ...}, or {"source": "log.csv" | "log.parquet", "schema": {...}} with reward.signals.
    """
    source = str(data.get("source", ""))
    options = {key: value for key, value in data.items() if key not in ("source", "split")}
    if source in SIGNALS:
        if settings.signals is not None:
            raise DataError(
                f"reward.signals describes a log of your own; data.source {source!r} has its signals"
            )
        if unknown := options.keys() - ({"policy", "campaign"} if source == "open-bandit" else set()):
            known = ["source", "split", *(("policy", "campaign") if source == "open-bandit" else ())]
            told = ", ".join(f"{key}{did_you_mean(key, known)}" for key in sorted(unknown))
            raise DataError(f"data source {source} has no key {told}; there is {', '.join(known)}")
        if source == "open-bandit":
            return bandit(**options)
        return movielens(settings) if source == "movielens-100k" else simulated(settings)
    path = Path(source).expanduser()
    if not is_log(path) and not path.exists():
        raise DataError(
            f"unknown data source {source!r}{did_you_mean(source, SIGNALS)}: rewards know "
            f"{', '.join(SIGNALS)}, or a path to a log"
        )
    if settings.signals is None:
        raise DataError(
            'a log of your own needs reward.signals = "signals.toml", which says what its columns are'
        )
    if unknown := options.keys() - {"schema"}:
        told = ", ".join(
            f"{key}{did_you_mean(key, ('source', 'schema', 'split'))}" for key in sorted(unknown)
        )
        raise DataError(f"[data] of a reward's own log has source, schema and split, not {told}")
    return own_log.load(path, options.get("schema", {}), signals, settings)


def sample_of(log: RewardLog) -> dict[str, Array]:
    """The rows that an audit looks at: columns and outcomes by name, each (M,), of what each slate showed.

    What was shown by chance stands for all candidates as far as each had the same chance.
    """
    at = np.arange(len(log))
    return {name: column[log.chosen, at] for name, column in log.columns.items()} | dict(log.outcomes)


def sample_for(
    data: Mapping[str, Any], settings: Settings, signals: Signals
) -> tuple[str, dict[str, Array], str] | None:
    """Where the config's sample is from, its columns, and the log's summary; None where it is not to be had.

    DataError for a log that is not as the config says.
    """
    try:
        log = load(data, settings, signals)
    except DataUnavailable:
        return None
    return f"the shown candidates of the search's log, {log.name}", sample_of(log), log.summary
