"""Splits: nothing learnt from is held out, nothing is held out twice, and time runs one way."""

from itertools import combinations

import numpy as np
import pytest

from recevolve.evaluators.data import DataError, Field, Log, Split, split, split_by
from recevolve.evaluators.data.synthetic import load

BY = pytest.mark.parametrize("by", ["user", "time"])


def made(
    users: list[int] | np.ndarray, times: np.ndarray | None = None, labels: np.ndarray | None = None
) -> Log:
    rows = len(users)
    return Log(
        name="made",
        labels=(np.arange(rows) % 2 if labels is None else labels).astype(np.uint8),
        users=np.asarray(users, dtype=np.int64),
        times=np.arange(rows) if times is None else times.astype(np.int64),
        features=np.zeros((rows, 1), dtype=np.int32),
        fields=(Field("only", 1),),
        licence="",
    )


@pytest.fixture(scope="module")
def log() -> Log:
    return load(20_000, 5)


@BY
def test_folds_share_no_user_and_splits_share_no_held_out_row(log: Log, by: str) -> None:
    splits = split(log, by=by, folds=6)
    for part in splits.values():
        folds = [set(log.users[rows].tolist()) for rows in part.folds]
        assert len(folds) == 6
        assert all(not (one & other) for one, other in combinations(folds, 2))
    held_out = np.concatenate([part.held_out for part in splits.values()])
    assert len(held_out) == len(set(held_out.tolist()))


@BY
def test_the_search_touches_no_row_that_the_others_hold_out(log: Log, by: str) -> None:
    splits = split(log, by=by)
    seen = {*splits["search"].train.tolist(), *splits["search"].held_out.tolist()}
    for name in ("selection", "claim"):
        assert not seen & set(splits[name].held_out.tolist())


@BY
def test_no_row_is_both_learnt_from_and_held_out(log: Log, by: str) -> None:
    for part in split(log, by=by).values():
        assert not set(part.train.tolist()) & set(part.held_out.tolist())
        assert len(set(part.held_out.tolist())) == sum(map(len, part.folds)) > 0


def test_by_user_each_split_holds_out_the_last_third_of_what_it_has(log: Log) -> None:
    splits = split(log, by="user")
    late = np.concatenate([splits[name].held_out for name in ("selection", "claim")])
    assert len(late) == pytest.approx(len(log) / 3, rel=0.02)
    early = np.setdiff1d(np.arange(len(log)), late)
    for name in ("selection", "claim"):
        assert np.array_equal(splits[name].train, early)
    assert np.array_equal(np.union1d(splits["search"].train, splits["search"].held_out), early)
    for held_out, among in ((late, np.arange(len(log))), (splits["search"].held_out, early)):
        last = np.isin(among, held_out)
        for user in np.unique(log.users)[:200]:
            mine = last[log.users[among] == user]
            assert np.array_equal(mine, np.sort(mine)), "held-out rows come after the others"
            assert len(mine) // 3 <= mine.sum() <= -(-len(mine) // 3)


def test_by_user_selection_and_claim_share_no_user(log: Log) -> None:
    splits = split(log, by="user")
    users = [set(log.users[splits[name].held_out].tolist()) for name in ("selection", "claim")]
    assert not users[0] & users[1]


def test_by_time_every_training_row_is_earlier_than_every_held_out_one() -> None:
    log = load(20_000, 5)
    coarse = made(log.users, np.sort(log.times // 50_000), log.labels)
    for each in (log, coarse):
        sizes = []
        for part in split(each, by="time").values():
            assert each.times[part.train].max() < each.times[part.held_out].min()
            assert np.array_equal(part.train, np.arange(len(part.train)))
            sizes.append(len(part.train))
        assert sizes == sorted(set(sizes)), "windows grow"


def test_by_time_the_claim_is_later_than_anything_the_search_saw(log: Log) -> None:
    splits = split(log, by="time")
    assert log.times[splits["claim"].held_out].min() > log.times[splits["selection"].held_out].max()


def test_shares_are_as_documented() -> None:
    splits = split(made(np.arange(10_000).repeat(18)), folds=1)
    shares = {name: len(part.held_out) / 180_000 for name, part in splits.items()}
    assert shares == pytest.approx({"search": 2 / 9, "selection": 1 / 6, "claim": 1 / 6}, abs=0.005)


def test_folds_are_about_equally_long(log: Log) -> None:
    for part in split(log).values():
        lengths = [len(rows) for rows in part.folds]
        assert max(lengths) - min(lengths) <= 0.05 * np.mean(lengths)


def test_users_with_one_row_are_cold_in_a_third_of_the_cases() -> None:
    splits = split(made(np.arange(10_000)), folds=1)
    held_out = sum(len(splits[name].held_out) for name in ("selection", "claim"))
    assert held_out == pytest.approx(10_000 / 3, rel=0.1)


@BY
def test_equal_seeds_give_equal_splits_and_others_do_not(log: Log, by: str) -> None:
    def rows(part: Split) -> list[list[int]]:
        return [part.train.tolist(), *(fold.tolist() for fold in part.folds)]

    first, again, other = (split(log, by=by, seed=seed)["claim"] for seed in (0, 0, 1))
    assert rows(first) == rows(again)
    assert rows(first) != rows(other)


def test_users_keep_their_split_when_the_log_grows() -> None:
    users = np.arange(2000).repeat(5)
    early, late = split(made(users), folds=2), split(made(np.arange(3000).repeat(5)), folds=2)
    for name in ("selection", "claim"):
        before = {int(user) for user in users[early[name].held_out]}
        after = {int(user) for user in np.arange(3000).repeat(5)[late[name].held_out]}
        assert {user for user in after if user < 2000} == before


def test_ids_of_any_size_can_be_split() -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(-(2**63), 2**63 - 1, 500).repeat(10)
    held_out = {name: len(part.held_out) for name, part in split(made(users), folds=2).items()}
    assert min(held_out.values()) > 200


@BY
def test_a_fold_without_both_labels_is_refused_with_what_to_change(by: str) -> None:
    labels = np.zeros(4000)
    labels[:40] = 1
    with pytest.raises(
        DataError, match=r"made: the search split needs both labels in its fold 1 of 10.*fewer folds"
    ):
        split(made(np.arange(400).repeat(10), labels=labels), by=by)


def test_a_log_of_one_moment_cannot_be_split_by_time() -> None:
    with pytest.raises(DataError, match="search split needs both labels in its training rows, got 0 rows"):
        split(made(np.arange(400).repeat(10), times=np.zeros(4000)), by="time")


def test_no_folds_are_refused(log: Log) -> None:
    with pytest.raises(DataError, match="at least one fold, got folds = 0"):
        split(log, folds=0)


@BY
@pytest.mark.parametrize(
    ("users", "said"),
    [(1, "1 user;"), (15, "15 users;"), (25, r"\d+ users in the held-out rows of the .* split;")],
)
def test_fewer_users_than_folds_are_counted(by: str, users: int, said: str) -> None:
    with pytest.raises(DataError, match=f"made: {said} 20 folds need at least 20: use fewer folds"):
        split(made(np.sort(np.arange(4000) % users)), by=by, folds=20)


@pytest.mark.parametrize(
    ("schema", "split", "by"),
    [
        ({"label": "y", "user": "u", "time": "t"}, None, "time"),
        ({"label": "y", "user": "u"}, None, "user"),
        ({"label": "y", "user": "u", "time": "t"}, "user", "user"),
        ({"user": "u", "time": "t"}, None, "user"),
        (None, None, "user"),
        (None, "time", "time"),
    ],
)
def test_a_log_with_time_is_split_by_time_unless_the_config_says_otherwise(
    schema: dict[str, str] | None, split: str | None, by: str
) -> None:
    assert split_by({"source": "x", "schema": schema, "split": split}) == by
