"""How the columns of a log become ids: rules that see neither labels nor a split."""

import hashlib
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
    codes, values = _distinct(column)
    return np.array([_hash(value) >> 1 for value in values], dtype=np.int64)[codes]


def coded(column: "pl.Series", max_ids: int) -> tuple[Ids, int]:
    """Ids (N,) of the texts in sorted order, hashed where there are more than `max_ids`; and how many ids."""
    codes, values = _distinct(column)
    if len(values) <= max_ids:
        return codes, len(values)
    return np.array([_hash(value) % max_ids for value in values], dtype=np.int64)[codes], max_ids


def bucketed(values: NDArray[np.float64]) -> tuple[Ids, int]:
    """Buckets (N,) between the quantiles of all values, from 1; NaN is 0. And how many ids."""
    known = values[~np.isnan(values)]
    shares = np.arange(1, BUCKETS) / BUCKETS
    edges = np.unique(np.quantile(known, shares, method="nearest")) if known.size else known
    ids = 1 + np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), 0, ids), len(edges) + 2


def latest(column: "pl.Series", max_ids: int) -> tuple[Ids, int]:
    """Ids (N, LAST) of the last entries of each list, the latest first, 0 for none; and how many ids."""
    import polars as pl

    lists = column.str.extract_all(TOKEN) if column.dtype == pl.String else column.cast(pl.List(pl.String))
    entries = pl.concat([lists.list.get(-place, null_on_oob=True) for place in range(1, LAST + 1)])
    present = entries.is_not_null().to_numpy()
    ids = np.zeros(len(entries), dtype=np.int64)
    codes, size = coded(entries.drop_nulls(), max_ids)
    ids[present] = 1 + codes
    return ids.reshape(LAST, -1).T, size + 1


def _distinct(column: "pl.Series") -> tuple[Ids, list[str]]:
    """The place of each cell's text among the distinct texts, and these, sorted; an empty cell is ''."""
    import polars as pl

    text = column.cast(pl.String).fill_null("")
    codes = text.rank("dense").to_numpy().astype(np.int64) - 1
    return codes, text.unique().sort().to_list()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
