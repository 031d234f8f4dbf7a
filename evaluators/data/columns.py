"""How the columns of a log become ids: rules that see neither labels nor a split."""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

BUCKETS = 32
LAST = 5
TOKEN = r"""[^\s,;|\[\]'"]+"""
"""One entry of a sequence that is written as text."""

Ids = NDArray[np.int64]


def hashed(column: "pl.Series") -> Ids:
    """(N,) a 63-bit hash of the text of each cell."""
    text = _text(column)
    values = _distinct([text])
    return np.array([_hash(value) >> 1 for value in values], dtype=np.int64)[_places(text, values)]


def coded(column: "pl.Series", max_ids: int) -> tuple[Ids, int]:
    """Ids (N,) of the texts in sorted order, hashed where these are more than `max_ids`; and their number."""
    text = _text(column)
    values = _distinct([text])
    return _ids_of(values, max_ids)[_places(text, values)], len(values)


def bucketed(values: NDArray[np.float64]) -> tuple[Ids, int]:
    """Buckets (N,) between the quantiles of all values, from 1; NaN is 0. And how many ids."""
    known = values[~np.isnan(values)]
    shares = np.arange(1, BUCKETS) / BUCKETS
    edges = np.unique(np.quantile(known, shares, method="nearest")) if known.size else known
    ids = 1 + np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), 0, ids), len(edges) + 2


def latest(column: "pl.Series", max_ids: int) -> tuple[list[Ids], int]:
    """LAST arrays of ids (N,), of the last entry of each list, the one before, and so on, 0 for none; and how
    many texts the entries are.
    """
    import polars as pl

    lists = column.str.extract_all(TOKEN) if column.dtype == pl.String else column
    texts = [lists.list.get(-nth, null_on_oob=True).cast(pl.String) for nth in range(1, LAST + 1)]
    values = _distinct(texts)
    ids = np.append(1 + _ids_of(values, max_ids), 0)  # the place -1 of an empty cell is the last
    return [ids[_places(text, values)] for text in texts], len(values)


def _text(column: "pl.Series") -> "pl.Series":
    """The text of each cell; an empty cell is ''."""
    import polars as pl

    return column.cast(pl.String).fill_null("")


def _distinct(texts: Iterable["pl.Series"]) -> list[str]:
    """The different texts, sorted, the empty cells left out."""
    import polars as pl

    return pl.concat([text.drop_nulls().unique() for text in texts]).unique().sort().to_list()


def _places(text: "pl.Series", values: list[str]) -> Ids:
    """(N,) the place of each text among these; -1 where a cell is empty."""
    import polars as pl

    return text.cast(pl.Enum(values)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


def _ids_of(values: list[str], max_ids: int) -> Ids:
    """The id of each text: its place, or a hash where there are more than `max_ids`."""
    if len(values) <= max_ids:
        return np.arange(len(values), dtype=np.int64)
    return np.array([_hash(value) % max_ids for value in values], dtype=np.int64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
