"""The synthetic log: repeatable, learnable, and with the marks of a real one."""

import numpy as np
import pytest

from recevolve.evaluators.data import load, split
from recevolve.evaluators.data.synthetic import teach


def test_equal_arguments_give_equal_logs_and_another_seed_another() -> None:
    first = load({"source": "synthetic", "rows": 2000, "seed": 1})
    assert first.fingerprint == load({"source": "synthetic", "rows": 2000, "seed": 1}).fingerprint
    assert first.fingerprint != load({"source": "synthetic", "rows": 2000, "seed": 2}).fingerprint


def test_labels_are_drawn_from_the_teacher() -> None:
    log, logits = teach(50_000, 0)
    expected = 1 / (1 + np.exp(-logits))
    for part in np.array_split(np.argsort(logits), 10):
        error = np.sqrt((expected[part] * (1 - expected[part])).sum()) / len(part)
        assert abs(log.labels[part].mean() - expected[part].mean()) < 5 * error
    assert 0.3 < log.labels.mean() < 0.5


def test_users_and_items_follow_a_power_law_and_belong_to_one_group() -> None:
    log, _ = teach(50_000, 0)
    for field, group in ((0, 2), (1, 3)):
        counts = np.sort(np.bincount(log.features[:, field]))[::-1]
        assert 5 < counts[0] / np.median(counts) < 200
        pairs = np.unique(log.features[:, [field, group]], axis=0)
        assert len(pairs) == len(np.unique(log.features[:, field]))


@pytest.mark.heavy
def test_what_items_mean_drifts() -> None:
    """The popular items' mean logits of the last week are farther from the first week's than the second's."""
    log, logits = teach(400_000, 0)
    means = []
    for week in np.array_split(np.arange(len(log)), 4):
        items = log.features[week, 1]
        counts = np.bincount(items, minlength=1000)[:100]
        means.append(np.bincount(items, weights=logits[week], minlength=1000)[:100] / counts)
    near, far = (np.square(means[0] - means[week]).sum() for week in (1, 3))
    assert far > 1.5 * near


@pytest.mark.parametrize("by", ["user", "time"])
def test_it_can_be_split(by: str) -> None:
    assert set(split(load({"source": "synthetic", "rows": 20_000}), by=by)) == {
        "search",
        "selection",
        "claim",
    }
