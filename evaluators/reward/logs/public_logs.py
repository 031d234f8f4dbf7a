"""Public logs as reward logs: MovieLens-100k as a bandit, and Open Bandit with its own propensities."""

import numpy as np
from numpy.typing import NDArray

from ... import data
from ...data import Log, open_bandit
from ...data.splits import nth_of_user
from ..settings import Settings
from .log import RewardLog
from .signals import MOVIELENS, OPEN_BANDIT
from .visits import around, by_die, grouped

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
PRIOR = 10.0
"""Rows of the overall mean that a rate of few rows is mixed with."""
TRAINED = 0.3
"""Share of Open Bandit's rows, the first in time, on which predictions are fitted."""


def movielens(settings: Settings) -> RewardLog:
    """Ratings as a bandit's log: slates of a user's consecutive ratings, of which a fair die shows one.

    The conversion of a fully observed table into a bandit's log follows Dudik, Langford and Li 2011,
    https://arxiv.org/abs/1103.4601, section 4.1. Predictions are fitted on the first half of each user's
    ratings, slates are of the second. DataUnavailable where the data cannot be had.
    """
    log = data.load({"source": "movielens-100k"})
    nth, count = nth_of_user(log.users)
    early = nth * 2 < count
    before, later = around(log.users, log.times)
    columns = _film_predictions(log, early) | {"liked": log.labels.astype(np.float64), "later_days": later}
    late = np.flatnonzero(~early)
    slates = late[grouped(log.users[late], log.times[late], settings.choices)]
    chosen, propensity = by_die(slates, settings.seed)
    return RewardLog.of_rows(
        "movielens-100k", MOVIELENS, columns, slates, chosen, propensity, log.users, before
    )


def _film_predictions(log: Log, early: NDArray[np.bool_]) -> dict[str, Array]:
    names = [field.name for field in log.fields]
    item, genre = (log.features[:, names.index(name)].astype(np.int64) for name in ("item", "genre"))
    labels = log.labels.astype(np.float64)
    mean = float(labels[early].mean())
    user = np.unique(log.users, return_inverse=True)[1].astype(np.int64)
    of_user = _rates(user, labels, early, mean)
    of_item = _rates(item, labels, early, mean)
    both = user * (int(genre.max()) + 1) + genre
    seen = np.bincount(item[early], minlength=int(item.max()) + 1)
    share = np.minimum(seen / len(np.unique(user)), 1.0)
    rank = np.argsort(np.argsort(seen, kind="stable"), kind="stable") / (len(seen) - 1)
    return {
        "like": np.clip(of_user[user] + of_item[item] - mean, 0.0, 1.0),
        "popular": share[item],
        "taste": _rates(both, labels, early, of_user[user])[both],
        "item": item.astype(np.float64),
        "popularity": rank[item],
    }


def _rates(groups: Ints, labels: Array, rows: NDArray[np.bool_], prior: Array | float) -> Array:
    """By group the mean label of these rows, mixed with PRIOR rows of the prior mean, one or one a row."""
    means = np.full(int(groups.max()) + 1, np.mean(prior))
    means[groups] = prior
    hits = np.bincount(groups[rows], weights=labels[rows], minlength=len(means))
    counts = np.bincount(groups[rows], minlength=len(means))
    return np.asarray((hits + PRIOR * means) / (counts + PRIOR))


def bandit(policy: str = "random", campaign: str = "all") -> RewardLog:
    """Open Bandit with its logged propensities: the candidates of a row are all items, at its position.

    Clicks are predicted by shrunken rates of item and of item by user feature, learnt from the first TRAINED
    of the rows; the log is the rest. It names no persons: `user` numbers combinations of user features, and
    `before` is 0. With some tens of clicks it is for trying the plumbing; DataError is the rule.
    """
    found = open_bandit.load(policy, campaign)
    log, count = found.log, len(found.log)
    learnt = np.arange(count) < TRAINED * count
    people = log.features[:, :4].astype(np.int64)
    clicks = log.labels.astype(np.float64)
    mean = float(clicks[learnt].mean())
    shown = np.bincount(found.actions[learnt], minlength=found.items)
    of_item = _rates(np.r_[found.actions, found.items - 1], np.r_[clicks, 0.0], np.r_[learnt, False], mean)
    predicted = np.repeat(of_item[:, None], count, axis=1)
    for column in people.T:
        both = found.actions * (int(column.max()) + 1) + column
        whole = np.arange(found.items)[:, None] * (int(column.max()) + 1) + column
        padded = np.r_[both, int(whole.max())]
        rates = _rates(padded, np.r_[clicks, 0.0], np.r_[learnt, False], mean)
        predicted = predicted + (rates[whole] - mean) / people.shape[1]
    rest = np.flatnonzero(~learnt)
    rank = np.argsort(np.argsort(shown, kind="stable"), kind="stable") / (found.items - 1)
    everyone = np.ones((1, len(rest)))
    return RewardLog(
        name=log.name,
        signals=OPEN_BANDIT,
        columns={
            "click": np.clip(predicted[:, rest], 0.0, 1.0),
            "novel": (1.0 - shown / shown.max())[:, None] * everyone,
            "item": np.arange(found.items, dtype=np.float64)[:, None] * everyone,
            "popularity": rank[:, None] * everyone,
        },
        chosen=found.actions[rest],
        propensity=found.propensities[rest],
        outcomes={"clicked": clicks[rest]},
        user=log.users[rest],
        before=np.zeros(len(rest)),
    )
