"""What is often a mistake in a log is a warning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recevolve.evaluators.data import load

SCHEMA = {"label": "clicked", "user": "uid", "item": "iid", "time": "ts"}
LARGE = 2000


@pytest.fixture
def large(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """The warnings about a log of 2,000 rows in which nothing is odd but what a test changes."""

    def large(
        columns: dict[str, Any] | None = None, header: str | None = None, **data: Any
    ) -> tuple[str, ...]:
        at = np.arange(LARGE)
        table = {"clicked": at % 2, "uid": at % 100, "iid": at % 7, "ts": at} | (columns or {})
        frame = pl.DataFrame(table)
        text = frame.write_csv()
        path = tmp_path / "log.csv"
        path.write_text(text if header is None else header + text[text.index("\n") :])
        return load({"source": str(path), "schema": SCHEMA} | data).warnings

    return large


def test_a_log_in_which_nothing_is_odd_has_no_warnings(large: Callable[..., tuple[str, ...]]) -> None:
    assert large() == large(split="time") == ()


def test_what_is_often_a_mistake_is_a_warning(large: Callable[..., tuple[str, ...]]) -> None:
    at = np.arange(LARGE)
    (repeated,) = large({"ts": at // 2, "clicked": at // 4 % 2, "uid": at // 2 % 100, "iid": at // 2 % 7})
    assert repeated.startswith("1,000 of 2,000 rows repeat an earlier row in every column that is read")
    (lonely,) = large({"uid": at})
    assert lonely.startswith("user column 'uid' has 2,000 values in 2,000 rows; check that it names people")
    (hashed,) = large({"iid": at}, schema=SCHEMA | {"max_ids": 500})
    assert hashed.startswith("field 'iid' has 2,000 values, hashed to 500 ids: about 4 share one")
    (future,) = large(split="user")
    assert 'set data.split = "time"' in future
    assert (
        large(split="user", schema={"label": "clicked", "user": "uid", "item": "iid", "numeric": ["ts"]})
        == ()
    )


def test_two_columns_of_one_name_are_told_apart(large: Callable[..., tuple[str, ...]]) -> None:
    at = np.arange(LARGE)
    (twice,) = large({"spare": at % 3}, header="clicked,uid,iid,ts,iid")
    assert twice == "several columns are called 'iid'; the first is used"
    assert large({"a": at, "b": at}, header="clicked,uid,iid,ts,x,x") == (), "nobody reads x"


def test_sequences_that_are_hashed_are_told_once(large: Callable[..., tuple[str, ...]]) -> None:
    lists = [f"{row} {row + 1}" for row in range(LARGE)]
    (hashed,) = large({"seq": lists}, schema=SCHEMA | {"sequence": ["seq"], "max_ids": 200})
    assert hashed.startswith("field 'seq_1' has 2,001 values, hashed to 200 ids")
