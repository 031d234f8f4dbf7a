"""How much to believe a number: intervals, looks while data arrive, streams of tests, races, other policies.

`docs/statistics.md` says which method is used where, and what each does not cover.
"""

from .correlation import spearman_interval
from .intervals import Interval, paired
from .moments import Moments
from .policies import PolicyValue, cannot_rank, doubly_robust, snips
from .racing import contenders, survivors
from .sequential import MINIMUM, always_valid_p, confidence_sequence
from .streams import lord_level
from .winners import Shrunken, Winner, shrink, winner

__all__ = [
    "MINIMUM",
    "Interval",
    "Moments",
    "PolicyValue",
    "Shrunken",
    "Winner",
    "always_valid_p",
    "cannot_rank",
    "confidence_sequence",
    "contenders",
    "doubly_robust",
    "lord_level",
    "paired",
    "shrink",
    "snips",
    "spearman_interval",
    "survivors",
    "winner",
]
