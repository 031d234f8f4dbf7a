"""MovieLens-100k, read from a pinned wheel of the package index. Never vendored: its terms forbid it."""

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import cache
from .log import DataError, DataUnavailable, Field, Log

if TYPE_CHECKING:
    import polars as pl

NAME = "movielens-100k"
WHEEL = cache.Wheel(
    requirement="recbole==1.2.1",
    file="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
)
LICENCE = (
    "MovieLens 100K, GroupLens Research, University of Minnesota: for research use; no redistribution and no "
    "commercial use without permission; no endorsement may be implied; publications acknowledge the data set"
)
CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context. ACM Transactions "
    "on Interactive Intelligent Systems 5, 4, 19 (2015). https://doi.org/10.1145/2827872"
)
LIKED = 4
"""Stars from which a rating counts as label 1: 55 % of the rows."""

AGES = (18, 25, 35, 45, 50, 56)
"""Lower edges of the age groups, as MovieLens-1M publishes them."""
YEARS = (1940, 1950, 1960, 1970, 1980, 1985, 1990, 1992, 1993, 1994, 1995, 1996, 1997, 1998)
"""Lower edges of the release years: decades, then single years where most films lie; 0 is also 'unknown'."""


def load(wheel: Path | None = None) -> Log:
    """100,000 ratings as a log of 11 fields; label 1 is four stars or more. `wheel` overrides the cached one.

    DataUnavailable when the wheel cannot be had.
    """
    import polars as pl

    path = wheel or cache.fetch(WHEEL)
    ratings, items, people = (_table(path, part) for part in ("inter", "item", "user"))
    table = (
        ratings.join(people, on="user_id", how="left")
        .join(items, on="item_id", how="left")
        .with_columns(pl.col("timestamp").cast(pl.Float64).cast(pl.Int64))
        .sort("timestamp", maintain_order=True)
    )
    times = table["timestamp"].to_numpy().astype(np.int64)
    columns = {
        "user": _codes(table["user_id"]),
        "item": _codes(table["item_id"]),
        "age": np.digitize(table["age"].cast(pl.Int64).to_numpy(), AGES),
        "gender": _codes(table["gender"]),
        "occupation": _codes(table["occupation"]),
        "region": _codes(table["zip_code"].str.slice(0, 1)),
        "year": np.digitize(
            table["release_year"].cast(pl.Int64, strict=False).fill_null(0).to_numpy(), YEARS
        ),
        "genre": _codes(table["class"].str.split(" ").list.get(0)),
        "second_genre": _codes(table["class"].str.split(" ").list.get(1, null_on_oob=True).fill_null("")),
        "hour": times // 3600 % 24,
        "weekday": times // 86400 % 7,
    }
    sizes = {"age": len(AGES) + 1, "year": len(YEARS) + 1, "hour": 24, "weekday": 7}
    fields = tuple(Field(name, sizes.get(name, int(ids.max()) + 1)) for name, ids in columns.items())
    return Log(
        name=NAME,
        labels=(table["rating"].cast(pl.Float64) >= LIKED).to_numpy().astype(np.uint8),
        users=table["user_id"].cast(pl.Int64).to_numpy().astype(np.int64),
        times=times,
        features=np.stack(list(columns.values()), axis=1).astype(np.int32),
        fields=fields,
        licence=LICENCE,
    )


def _table(wheel: Path, part: str) -> "pl.DataFrame":
    """One of the three tables, every column text, named without the type that follows the colon."""
    import polars as pl

    member = f"recbole/dataset_example/ml-100k/ml-100k.{part}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = archive.read(member)
    except (OSError, zipfile.BadZipFile, KeyError) as why:
        raise DataUnavailable(f"{wheel} does not hold {member}: {why}") from why
    table = pl.read_csv(io.BytesIO(text), separator="\t", quote_char=None, infer_schema=False)
    if not table.height:
        raise DataError(f"{member} in {wheel} holds no rows")
    return table.rename(lambda column: column.partition(":")[0])


def _codes(column: "pl.Series") -> NDArray[Any]:
    """Ids from 0 in sorted order of the values: numbers by size, texts by code point."""
    import polars as pl

    numbers = column.cast(pl.Int64, strict=False)
    values = column if numbers.null_count() else numbers
    return np.unique(values.to_numpy(), return_inverse=True)[1]
