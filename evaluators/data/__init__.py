"""Logs to learn from: built-in ones and the user's own, their splits, and where they are kept."""

from .catalogue import Source, catalogue, fetch, load, split_by
from .log import DataError, DataUnavailable, Field, Log
from .splits import Split, split

__all__ = [
    "DataError",
    "DataUnavailable",
    "Field",
    "Log",
    "Source",
    "Split",
    "catalogue",
    "fetch",
    "load",
    "split",
    "split_by",
]
