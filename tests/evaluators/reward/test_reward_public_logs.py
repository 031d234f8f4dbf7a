"""Public logs become reward logs with their own signals; where they cannot rank rewards they say so."""

import numpy as np
import pytest

from recevolve.evaluators import data
from recevolve.evaluators.data import DataError, Field, Log
from recevolve.evaluators.kinds.registry import adapted
from recevolve.evaluators.reward.logs import public_logs
from recevolve.evaluators.reward.logs.public_logs import bandit, movielens
from recevolve.evaluators.reward.settings import Settings
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits


def films(rows: int = 20_000) -> Log:
    """Ratings in which some films and some people are better liked than others."""
    rng = np.random.default_rng(0)
    users = np.sort(rng.integers(0, 300, rows))
    item = (200 * rng.random(rows) ** 2).astype(np.int64)
    taste, quality = rng.normal(size=300), np.linspace(1.5, -1.5, 200)
    labels = rng.random(rows) < 1 / (1 + np.exp(-taste[users] - quality[item]))
    order = rng.permutation(rows)
    features = np.stack([users, item, item % 7], axis=1)[order]
    return Log(
        "films",
        labels[order].astype(np.uint8),
        users[order],
        np.arange(rows) * 600,
        features.astype(np.int32),
        (Field("user", 300), Field("item", 200), Field("genre", 7)),
        "none",
    )


@pytest.fixture
def films_for_movielens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", lambda table: films())


def test_films_are_slates_of_one_user_with_predictions_from_earlier(films_for_movielens: None) -> None:
    log = movielens(Settings(choices=6))
    assert log.choices == 6
    assert np.allclose(log.propensity, 1 / 6)
    liked = log.outcomes["liked"]
    like = log.columns["like"][log.chosen, np.arange(len(log))]
    assert liked[like > 0.6].mean() > liked[like < 0.4].mean() + 0.2
    assert log.signals is public_logs.MOVIELENS


def test_likes_rank_rewards_on_films_and_the_seeds_read_its_signals(films_for_movielens: None) -> None:
    table, settings = {"source": "movielens-100k"}, {"proxy": "liked", "north_star": "replay"}
    task = adapted(TASK, table, settings)
    assert list(task.seeds) == ["like", "popular", "taste", "equal_weights"]
    judge = task.judge(table, settings, Limits())
    assert "slates of 8" in judge.data


def test_open_bandit_has_all_items_as_candidates_and_its_own_propensities() -> None:
    log = bandit("bts", "men")
    assert log.choices == 34
    assert len(log) == 7_000
    assert len(np.unique(log.propensity)) > 10
    assert 0 < log.outcomes["clicked"].sum() < 60


@pytest.mark.heavy
@pytest.mark.parametrize("policy", ["random", "bts"])
def test_open_bandit_cannot_rank_rewards_and_says_so(policy: str) -> None:
    with pytest.raises(DataError, match="clicked cannot rank rewards on this log"):
        TASK.judge(
            {"source": "open-bandit", "policy": policy},
            {"proxy": "clicked", "north_star": "replay"},
            Limits(),
        )
