"""Open Bandit, small version: recommendations with the true probability of each. Shipped with us.

With 38 to 69 clicks a file it is for off-policy estimation and for trying the plumbing, never for ranking
models.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..log import DataError, Field, Log

if TYPE_CHECKING:
    import polars as pl

NAME = "open-bandit"
ARCHIVE = Path(__file__).with_name("obd.zip")
LICENCE = (
    "Open Bandit Dataset (small), copyright 2020 Yuta Saito, Yusuke Narita and ZOZO Technologies, Inc.: "
    "Apache License 2.0, see evaluators/data/open_bandit/NOTICE"
)
CITATION = (
    "Y. Saito, S. Aihara, M. Matsutani, Y. Narita. Open Bandit Dataset and Pipeline: Towards Realistic and "
    "Reproducible Off-Policy Evaluation. NeurIPS 2021. https://arxiv.org/abs/2008.07146"
)
POLICIES = ("random", "bts")
CAMPAIGNS = ("all", "men", "women")
PRICES = 8
"""Buckets of `item_feature_0`, equally many items in each."""


@dataclass(frozen=True, eq=False)
class OpenBandit:
    """A bandit log in time order; the reward is `log.labels`, a click.

    actions (N,) int64, the item shown; propensities (N,) float64, the probability with which the logging
    policy showed that item at that position. `users` of the log are distinct combinations of the four user
    features, since the data set names no persons.
    """

    log: Log
    actions: NDArray[np.int64]
    propensities: NDArray[np.float64]
    items: int


def load(policy: str = "random", campaign: str = "all") -> OpenBandit:
    """10,000 rows of one logging policy ("random", or "bts" for Bernoulli Thompson sampling) and campaign.

    An unknown policy or campaign: DataError.
    """
    import polars as pl

    for what, got, known in (("policy", policy, POLICIES), ("campaign", campaign, CAMPAIGNS)):
        if got not in known:
            raise DataError(f"data.{what} of open-bandit must be one of {', '.join(known)}, got {got!r}")
    table = _read(policy, campaign, campaign).with_columns(
        pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us")
    )
    table = table.sort("timestamp", maintain_order=True)
    context = _read(policy, campaign, "item_context").sort("item_id")
    actions = table["item_id"].to_numpy().astype(np.int64)
    columns = _columns(table, context, actions)
    people = np.stack([columns[f"user_{k}"] for k in range(4)], axis=1)
    log = Log(
        name=f"{NAME}-{policy}-{campaign}",
        labels=table["click"].to_numpy().astype(np.uint8),
        users=np.unique(people, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64),
        times=table["timestamp"].dt.epoch("s").to_numpy().astype(np.int64),
        features=np.stack(list(columns.values()), axis=1).astype(np.int32),
        fields=tuple(Field(name, int(ids.max()) + 1) for name, ids in columns.items()),
        licence=LICENCE,
    )
    propensities = table["propensity_score"].to_numpy().astype(np.float64)
    return OpenBandit(log, actions, propensities, items=context.height)


def _read(policy: str, campaign: str, name: str) -> "pl.DataFrame":
    import polars as pl

    with zipfile.ZipFile(ARCHIVE) as archive:
        return pl.read_csv(io.BytesIO(archive.read(f"obd/{policy}/{campaign}/{name}.csv")))


def _columns(
    table: "pl.DataFrame", context: "pl.DataFrame", actions: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """The ids of the ten fields, (N,) each, in the order in which the log holds them."""
    price = np.argsort(np.argsort(context["item_feature_0"].to_numpy(), kind="stable"), kind="stable")
    affinity = table.select(f"user-item_affinity_{k}" for k in range(context.height)).to_numpy()
    shown = affinity[np.arange(len(actions)), actions]
    columns = {f"user_{k}": _codes(table[f"user_feature_{k}"]) for k in range(4)}
    columns |= {"item": actions, "position": table["position"].to_numpy() - 1}
    columns |= {f"item_{k}": _codes(context[f"item_feature_{k}"])[actions] for k in range(1, 4)}
    columns |= {"price": (price * PRICES // context.height)[actions], "affinity": np.minimum(shown, 2)}
    return {name: ids.astype(np.int64) for name, ids in columns.items()}


def _codes(column: "pl.Series") -> NDArray[np.int64]:
    """Ids from 0 in sorted order of the values."""
    return np.unique(column.to_numpy(), return_inverse=True)[1].astype(np.int64)
