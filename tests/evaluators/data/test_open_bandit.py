"""Open Bandit: what is shipped is what was published, and propensities fit their policy."""

import csv
import hashlib
import io
import zipfile

import numpy as np
import pytest

from recevolve.evaluators.data import DataError, load, open_bandit


@pytest.mark.parametrize(
    ("policy", "campaign", "clicks", "items"),
    [
        ("random", "all", 38, 80),
        ("random", "men", 46, 34),
        ("random", "women", 46, 46),
        ("bts", "all", 42, 80),
        ("bts", "men", 69, 34),
        ("bts", "women", 46, 46),
    ],
)
def test_each_file_loads(policy: str, campaign: str, clicks: int, items: int) -> None:
    bandit = open_bandit.load(policy, campaign)
    assert len(bandit.log) == 10_000
    assert bandit.log.labels.sum() == clicks
    assert bandit.items == items
    assert bandit.actions.max() < items
    assert {field.name: field.size for field in bandit.log.fields}["position"] == 3
    assert bandit.propensities.min() > 0
    assert bandit.propensities.max() <= 1


def test_the_random_policy_shows_every_item_alike() -> None:
    bandit = open_bandit.load("random", "all")
    assert np.allclose(bandit.propensities, 1 / 80)
    counts = np.bincount(bandit.actions, minlength=80)
    assert abs(counts - 125).max() < 5 * 125**0.5


def test_rows_are_those_of_the_file() -> None:
    bandit = open_bandit.load("bts", "women")
    with zipfile.ZipFile(open_bandit.ARCHIVE) as archive, archive.open("obd/bts/women/women.csv") as file:
        rows = sorted(csv.DictReader(io.TextIOWrapper(file)), key=lambda row: row["timestamp"])
    assert bandit.actions.tolist() == [int(row["item_id"]) for row in rows]
    assert bandit.log.labels.tolist() == [int(row["click"]) for row in rows]
    assert bandit.propensities.tolist() == [float(row["propensity_score"]) for row in rows]
    place = [field.name for field in bandit.log.fields].index("position")
    assert bandit.log.features[:, place].tolist() == [int(row["position"]) - 1 for row in rows]
    shown = [float(row[f"user-item_affinity_{row['item_id']}"]) for row in rows]
    assert bandit.log.features[:, -1].tolist() == np.minimum(shown, 2).tolist()


def test_columns_belong_to_their_rows() -> None:
    bandit = open_bandit.load("random", "men")
    names = [field.name for field in bandit.log.fields]
    features = dict(zip(names, bandit.log.features.T, strict=True))
    assert np.array_equal(features["item"], bandit.actions)
    for name in ("item_1", "price"):
        assert len(set(zip(bandit.actions.tolist(), features[name].tolist(), strict=True))) == 34
    first = np.flatnonzero(bandit.log.users == bandit.log.users[0])
    assert len(np.unique(bandit.log.features[first, :4], axis=0)) == 1
    assert bandit.log.times[0] == 1574553793, "2019-11-24 00:03:13 UTC"


def test_what_is_shipped_is_unchanged() -> None:
    with zipfile.ZipFile(open_bandit.ARCHIVE) as archive:
        content = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert len(content) == 12
    digest = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()
    assert digest == "94c63101eb94f75b7b29ffb023e1b8753a9f7d8f92aa71e95c02322d50936d64"
    assert "Apache License" in open_bandit.ARCHIVE.with_name("NOTICE").read_text()


@pytest.mark.parametrize(("key", "value"), [("policy", "greedy"), ("campaign", "kids")])
def test_an_unknown_file_is_named(key: str, value: str) -> None:
    with pytest.raises(DataError, match=f"data.{key} of open-bandit must be one of .*, got '{value}'"):
        load({"source": "open-bandit", key: value})
