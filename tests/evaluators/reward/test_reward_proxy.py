"""The proxy says what an experiment would: it finds planted effects at any scale, and refuses to guess."""

from collections.abc import Callable

import numpy as np
import pytest

from recevolve.evaluators.data import DataError
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.reward.caller import Caller
from recevolve.evaluators.reward.logs.log import RewardLog, split
from recevolve.evaluators.reward.logs.signals import Signals
from recevolve.evaluators.reward.outcome_model import expected
from recevolve.evaluators.reward.proxy import Proxy, beaten, chances, place
from recevolve.evaluators.sandbox import Limits
from recevolve.population.values.verdict import Metric, Status

SIGNALS = Signals.of(
    [
        {
            "name": "good",
            "role": "prediction",
            "unit": "x",
            "low": -9,
            "high": 9,
            "words": "helps",
            "better": 1,
        },
        {"name": "bait", "role": "prediction", "unit": "x", "low": -9, "high": 9, "words": "harms"},
        {
            "name": "clicked",
            "role": "outcome",
            "unit": "x",
            "low": -99,
            "high": 99,
            "words": "c",
            "better": 1,
        },
        {
            "name": "later_days",
            "role": "outcome",
            "unit": "x",
            "low": -99,
            "high": 99,
            "words": "l",
            "better": 1,
        },
        {"name": "hated", "role": "outcome", "unit": "x", "low": -99, "high": 99, "words": "h", "better": -1},
    ]
)
CHOICES = 6


def planted(rows: int = 6_000, effect: float = 0.5, seed: int = 0, uneven: bool = False) -> RewardLog:
    """Later days rise with `good` and fall with `bait`; clicks rise with both. Users differ much."""
    rng = np.random.default_rng(seed)
    good, bait = np.clip(rng.normal(size=(2, CHOICES, rows)), -8, 8)
    user = rng.integers(0, rows // 5, rows)
    level = rng.normal(0, 2, user.max() + 1)[user]
    policy = np.exp(0.8 * bait if uneven else 0.0 * bait)
    policy = policy / policy.sum(axis=0)
    chosen = (policy.cumsum(axis=0) < rng.random(rows)).sum(axis=0).clip(max=CHOICES - 1)
    at = (chosen, np.arange(rows))
    noise = rng.normal(size=(3, rows))
    return RewardLog(
        name="planted",
        signals=SIGNALS,
        columns={"good": good, "bait": bait},
        chosen=chosen,
        propensity=policy[at],
        outcomes={
            "clicked": good[at] + bait[at] + noise[0],
            "later_days": level + effect * (good[at] - bait[at]) + noise[1],
            "hated": bait[at] - good[at] + noise[2],
        },
        user=user,
        before=np.round(level - level.min()),
    )


def program(expression: str) -> Caller:
    source = f"import numpy\n\nWEIGHTS = {{}}\n\n\ndef reward(signals):\n    return {expression}\n"
    return Caller(source, SIGNALS, None, Limits())


GOOD, BAIT = "signals['good']", "signals['bait']"


def proxy(log: RewardLog, outcome: str = "later_days", sharpness: float = 1.0, least: float = 10.0) -> Proxy:
    return Proxy(log, outcome, (500, 2_000, 10**6), sharpness, least, 0)


def score(made: Proxy, expression: str, rung: int) -> Metric:
    found = made.run(program(expression), rung).score
    assert found is not None
    return found


@pytest.mark.parametrize("rung", [0, 1, 2])
def test_what_helps_later_goes_before_what_is_clicked(rung: int) -> None:
    made = proxy(planted())
    best, good, clicks, bait = (
        score(made, text, rung).value for text in (f"{GOOD} - {BAIT}", GOOD, f"{GOOD} + {BAIT}", BAIT)
    )
    assert best > good > clicks > bait


@pytest.mark.parametrize("rung", [0, 1, 2])
def test_a_proxy_about_clicks_prefers_what_is_clicked(rung: int) -> None:
    made = proxy(planted(), "clicked")
    assert score(made, f"{GOOD} + {BAIT}", rung).value > score(made, f"{GOOD} - {BAIT}", rung).value


def test_fewer_hates_are_more() -> None:
    made = proxy(planted(), "hated")
    for rung in range(3):
        assert score(made, f"{GOOD} - {BAIT}", rung).value > 0 > score(made, BAIT, rung).value


@pytest.mark.parametrize("rung", [0, 1, 2])
def test_only_the_order_counts(rung: int) -> None:
    made = proxy(planted())
    plain = made.run(program(GOOD), rung)
    for duplicate in (f"3.0 * {GOOD} + 7.0", f"numpy.exp({GOOD})", f"numpy.tanh(0.1 * {GOOD})"):
        assert made.run(program(duplicate), rung) == plain


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("sharpness", [1.0, 4.0, 64.0])
def test_the_value_is_that_of_an_experiment(uneven: bool, sharpness: float) -> None:
    """Against the truth: outcomes are known of every candidate, because they were planted."""
    log = planted(20_000, uneven=uneven)
    made = proxy(log, sharpness=sharpness)
    for expression in (GOOD, BAIT, f"{GOOD} - 0.5 * {BAIT}"):
        columns = {name: np.asarray(column) for name, column in log.columns.items()}
        rewards = program(expression)(columns)
        policy = chances(beaten(rewards), sharpness)
        effects = 0.5 * (log.columns["good"] - log.columns["bait"])
        shown = effects[log.chosen, np.arange(len(log))]
        truth = float((policy * effects).sum(axis=0).mean() - shown.mean())
        found = score(made, expression, 2)
        assert found.spread is not None
        assert abs(found.value - truth) < 4 * found.spread
        assert found.spread < 0.05


def test_errors_cover_the_truth() -> None:
    inside = 0
    for seed in range(60):
        log = planted(1_200, seed=seed)
        found = score(proxy(log), GOOD, 2)
        policy = chances(beaten(np.asarray(log.columns["good"])), 1.0)
        effects = 0.5 * (log.columns["good"] - log.columns["bait"])
        truth = float((policy * effects).sum(0).mean() - effects[log.chosen, np.arange(len(log))].mean())
        inside += abs(found.value - truth) < 1.96 * (found.spread or 0.0)
    assert inside >= 52


def test_the_last_rung_tells_every_component() -> None:
    metrics = proxy(planted()).run(program(GOOD), 2).metrics
    assert {"later_days", "clicked", "hated", "ordering", "gain", "effective_size"} <= set(metrics)
    assert all(metrics[name].spread for name in ("later_days", "clicked", "hated", "ordering", "gain"))


def test_a_reward_that_the_log_cannot_speak_of_is_not_ranked() -> None:
    made = proxy(planted(600), sharpness=64.0, least=150.0)
    with pytest.raises(Failed, match="slates for this reward, fewer than 150") as caught:
        made.run(program(GOOD), 2)
    assert caught.value.verdict.status is Status.INVALID


def test_a_log_that_cannot_tell_rewards_apart_is_refused() -> None:
    references = {"good": program(GOOD), "bait": program(BAIT)}
    proxy(planted()).require_power(references)
    with pytest.raises(DataError, match="cannot tell them apart"):
        proxy(planted(effect=0.0)).require_power(references)
    with pytest.raises(DataError, match="fewer than 100000"):
        proxy(planted(), least=100_000).require_power(references)


def test_an_outcome_that_the_log_lacks_is_told() -> None:
    with pytest.raises(DataError, match="one of clicked, later_days, hated; got 'returned'"):
        proxy(planted(), "returned")


def test_no_row_is_predicted_from_its_own_outcome() -> None:
    """Pure noise: a model that saw the row's own outcome would go with it."""
    log = planted(400, effect=0.0)
    outcome = np.random.default_rng(9).normal(size=400)
    log = RewardLog(**{**vars(log), "outcomes": {**log.outcomes, "later_days": outcome}})
    assert abs(np.corrcoef(expected(log, "later_days").chosen, outcome)[0, 1]) < 0.2


def test_chances_are_a_policy_that_prefers_what_ranks_higher() -> None:
    rewards = np.random.default_rng(0).normal(size=(8, 500))
    for sharpness in (0.5, 1.0, 64.0):
        policy = chances(beaten(rewards), sharpness)
        assert np.allclose(policy.sum(axis=0), 1.0)
        order = np.argsort(rewards, axis=0)
        assert (np.diff(np.take_along_axis(policy, order, 0), axis=0) > 0).all()
    weights = 8 * chances(beaten(rewards), 1.0)
    assert weights.sum() ** 2 / (weights**2).sum() / weights.size == pytest.approx(0.75, abs=0.01)


def test_ties_share() -> None:
    wins = beaten(np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 5.0]]))
    assert wins.tolist() == [[3, 1], [3, 1], [0, 4]]
    assert place(wins).tolist() == [[0.5, -0.5], [0.5, -0.5], [-1.0, 1.0]]
    assert chances(wins, 1.0)[0].tolist() == chances(wins, 1.0)[1].tolist()


def test_splits_part_users_and_keep_them_when_the_log_grows() -> None:
    small, large = planted(500), planted(6_000)
    homes = [
        {int(u): name for name, part in split(log, 1).items() for u in part.user} for log in (small, large)
    ]
    assert all(homes[1][user] == name for user, name in homes[0].items() if user in homes[1])
    parts = split(large, 1)
    assert sum(map(len, parts.values())) == len(large)
    assert not set(parts["selection"].user) & set(parts["claim"].user)


def changed(**columns: object) -> Callable[[], RewardLog]:
    return lambda: RewardLog(**{**vars(planted(50)), **columns})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (changed(columns={"good": np.zeros((CHOICES, 50))}), "no prediction 'bait'"),
        (changed(propensity=np.zeros(50)), r"propensities must lie in \(0, 1\]"),
        (changed(columns={"good": np.full((CHOICES, 50), 10.0), "bait": np.zeros((CHOICES, 50))}), "-9 to 9"),
        (changed(columns={"good": np.full((CHOICES, 50), np.nan), "bait": np.zeros((6, 50))}), "got nan"),
        (changed(outcomes={"later_days": np.zeros(3)}), r"must have shape \(50,\)"),
        (changed(chosen=np.zeros(0, dtype=np.int64)), "no slate that can be used"),
    ],
)
def test_a_log_that_does_not_fit_is_refused(make: Callable[[], RewardLog], words: str) -> None:
    with pytest.raises(DataError, match=words):
        make()
