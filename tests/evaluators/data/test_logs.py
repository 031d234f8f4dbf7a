"""Log: what it refuses, and that its fingerprint says when the data changed."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recevolve.evaluators.data import DataError, Field, Log
from recevolve.evaluators.data.synthetic import load


def small() -> Log:
    return Log(
        name="small",
        labels=np.array([0, 1, 1], dtype=np.uint8),
        users=np.array([7, 7, 9], dtype=np.int64),
        times=np.array([1, 2, 2], dtype=np.int64),
        features=np.array([[0, 2], [1, 0], [1, 1]], dtype=np.int32),
        fields=(Field("item", 2), Field("hour", 3)),
        licence="ours",
    )


def test_its_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        small().labels[0] = 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": np.array([0, 1], dtype=np.uint8)}, r"users must be int64 of shape \(2,\)"),
        ({"labels": np.array([0, 1, 1])}, "labels must be uint8"),
        ({"labels": np.array([0, 2, 1], dtype=np.uint8)}, "row 2 has 2"),
        ({"times": np.array([1, 3, 2])}, "row 3 is earlier"),
        ({"fields": (Field("item", 2),)}, r"shape \(3, 1\)"),
        ({"fields": (Field("item", 2), Field("hour", 2))}, "'hour' must lie in 0 to 1, got 0 to 2"),
    ],
)
def test_it_refuses_what_is_no_log(change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(small(), **change)


def test_it_refuses_to_be_empty() -> None:
    nothing = np.empty(0, dtype=np.int64)
    with pytest.raises(DataError, match="at least one row"):
        Log(
            "none",
            nothing.astype(np.uint8),
            nothing,
            nothing,
            np.empty((0, 1), np.int32),
            (Field("a", 1),),
            "",
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda log: {"labels": 1 - log.labels},
        lambda log: {"users": log.users + 1},
        lambda log: {"times": log.times + 1},
        lambda log: {"features": log.features[:, ::-1].copy(), "fields": log.fields[::-1]},
        lambda log: {"fields": (Field("item", 2), Field("hour", 4))},
        lambda log: {"fields": (Field("thing", 2), Field("hour", 3))},
    ],
)
def test_the_fingerprint_changes_with_anything_that_a_model_sees(
    change: Callable[[Log], dict[str, object]],
) -> None:
    assert replace(small(), **change(small())).fingerprint != small().fingerprint


def test_the_fingerprint_is_the_same_in_another_process_and_for_another_name() -> None:
    code = "from recevolve.evaluators.data.synthetic import load; print(load(500, 3).fingerprint)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == load(500, 3).fingerprint
    assert replace(small(), name="renamed").fingerprint == small().fingerprint
