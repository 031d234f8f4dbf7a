"""How much to believe a number: intervals, looks while data arrive, streams of tests, races, other policies.

`docs/statistics.md` says which method is used where, and what each does not cover.
"""

from .correlation import spearman_interval
from .intervals import Interval, paired
from .moments import Moments
from .policies import PolicyValue, cannot_rank, doubly_robust, snips
from .racing import Measure, Race, halving, survivors
from .sequential import MINIMUM, always_valid_p, confidence_sequence
from .streams import lord_level
from .winners import Shrunken, Winner, shrink, winner

__all__ = [
    "MINIMUM",
    "Interval",
    "Measure",
    "Moments",
    "PolicyValue",
    "Race",
    "Shrunken",
    "Winner",
    "always_valid_p",
    "cannot_rank",
    "confidence_sequence",
    "doubly_robust",
    "halving",
    "lord_level",
    "paired",
    "shrink",
    "snips",
    "spearman_interval",
    "survivors",
    "winner",
]
