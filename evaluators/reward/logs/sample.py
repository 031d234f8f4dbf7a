"""The rows that an audit looks at: the shown candidates of the log that the search saw."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..settings import Settings
from .signals import Signals

if TYPE_CHECKING:
    from .log import Array, RewardLog


def sample_of(log: "RewardLog") -> "dict[str, Array]":
    """Predictions, contexts and outcomes by name, each (M,), of the candidate shown in each slate.

    What was shown by chance stands for all candidates as far as each had the same chance.
    """
    at = np.arange(len(log))
    shown = {name: column[log.chosen, at] for name, column in log.columns.items()}
    return {**shown, **log.outcomes}


def sample_for(
    data: Mapping[str, Any], settings: Settings, signals: Signals
) -> "tuple[str, dict[str, Array]] | None":
    """Where the config's sample is from and its columns; None where the log can not be downloaded.

    DataError for a log that is not as the config says.
    """
    from ...data import DataUnavailable
    from .logs import load

    try:
        log = load(data, settings, signals)
    except DataUnavailable:
        return None
    return f"the shown candidates of the search's log, {log.name}", sample_of(log)
