"""How much to believe a number: intervals, looks while data arrive, streams of tests, races, other policies.

`docs/statistics.md` says which method is used where, and what each does not cover.
"""

from .boundaries import spending
from .correlation import corrected_correlation, spearman_interval
from .intervals import Interval, cuped, paired, paired_cuped, two_samples
from .moments import Moments, effect
from .policies import PolicyValue, Ranking, can_rank, doubly_robust, ips, snips
from .racing import Measure, Race, halving, ocba, survivors, uniform
from .sequential import MINIMUM, always_valid_p, confidence_sequence, confidence_sequence_difference, msprt
from .streams import lord_level
from .winners import Shrunken, Winner, shrink, winner

__all__ = [
    "MINIMUM",
    "Interval",
    "Measure",
    "Moments",
    "PolicyValue",
    "Race",
    "Ranking",
    "Shrunken",
    "Winner",
    "always_valid_p",
    "can_rank",
    "confidence_sequence",
    "confidence_sequence_difference",
    "corrected_correlation",
    "cuped",
    "doubly_robust",
    "effect",
    "halving",
    "ips",
    "lord_level",
    "msprt",
    "ocba",
    "paired",
    "paired_cuped",
    "shrink",
    "snips",
    "spearman_interval",
    "spending",
    "survivors",
    "two_samples",
    "uniform",
    "winner",
]
