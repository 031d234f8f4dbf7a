"""Which signals each built-in source has; logs of these sources are made in `logs`."""

from collections.abc import Mapping
from typing import Any

from ..settings import Settings
from .signals import SIMULATED, Signals

SIMULATED_SOURCE = "simulated"

MOVIELENS = Signals.of(
    [
        {"name": "like", "role": "prediction", "unit": "probability", "low": 0, "high": 1,
         "words": "predicted chance of four stars or more", "better": 1},
        {"name": "popular", "role": "prediction", "unit": "probability", "low": 0, "high": 1,
         "words": "predicted chance that a user rates it at all", "better": 1},
        {"name": "taste", "role": "prediction", "unit": "probability", "low": 0, "high": 1,
         "words": "share of the user's earlier ratings of that genre that were high", "better": 1},
        {"name": "item", "role": "context", "unit": "id", "low": 0, "high": 2**31,
         "words": "which film it is"},
        {"name": "popularity", "role": "context", "unit": "share", "low": 0, "high": 1,
         "words": "the film's rank by ratings, 1 the most rated"},
        {"name": "liked", "role": "outcome", "unit": "flag", "low": 0, "high": 1,
         "words": "whether it got four stars or more", "better": 1},
        {"name": "later_days", "role": "outcome", "unit": "days", "low": 0, "high": 7,
         "words": "on how many of the next seven days the user rated something", "better": 1},
    ]
)  # fmt: skip
"""The signals of MovieLens-100k: predictions are fitted on the earlier half of the ratings."""

OPEN_BANDIT = Signals.of(
    [
        {"name": "click", "role": "prediction", "unit": "probability", "low": 0, "high": 1,
         "words": "predicted chance of a click, from rates of item and user", "better": 1},
        {"name": "novel", "role": "prediction", "unit": "share", "low": 0, "high": 1,
         "words": "one minus the item's share of the training rows, in units of the largest share"},
        {"name": "item", "role": "context", "unit": "id", "low": 0, "high": 2**31,
         "words": "which item it is"},
        {"name": "popularity", "role": "context", "unit": "share", "low": 0, "high": 1,
         "words": "the item's rank by training rows, 1 the most shown"},
        {"name": "clicked", "role": "outcome", "unit": "flag", "low": 0, "high": 1,
         "words": "whether it was clicked", "better": 1},
    ]
)  # fmt: skip
"""The signals of Open Bandit. It knows no persons, so nothing comes later: its proxy is about clicks."""

SIGNALS: Mapping[str, Signals] = {
    SIMULATED_SOURCE: SIMULATED,
    "movielens-100k": MOVIELENS,
    "open-bandit": OPEN_BANDIT,
}


def signals_of(data: Mapping[str, Any], settings: Settings) -> Signals:
    """The user's own signals, or those that the source of the data has."""
    if settings.signals is not None:
        return Signals.read(settings.signals)
    return SIGNALS.get(str(data.get("source")), SIMULATED)
