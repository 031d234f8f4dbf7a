"""Lives: the same twice, the same luck for every policy, and nothing that could not have happened."""

from collections.abc import Mapping

import numpy as np
import pytest

from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.simulator import (
    Lives,
    Policy,
    World,
    click_times_watch,
    make_users,
    make_world,
    scenario,
    simulate,
)
from recevolve.evaluators.simulator.sessions import Offers, best, live
from recevolve.evaluators.simulator.world import Floats, deck

PEOPLE = 1500


def survey(signals: Mapping[str, Floats]) -> Floats:
    return signals["survey"]


def click(signals: Mapping[str, Floats]) -> Floats:
    return signals["click"]


def anything(signals: Mapping[str, Floats]) -> Floats:
    return np.zeros_like(signals["click"])


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(scenario("clickbait"), 0)


def lives(world: World, policy: Policy, seed: int = 1, people: int = PEOPLE, days: int = 28) -> Lives:
    return simulate(world, make_users(world, people, 0), policy, seed, days)


def equal(first: Lives, second: Lives) -> bool:
    sums = zip(vars(first.totals).values(), vars(second.totals).values(), strict=True)
    return bool((first.active == second.active).all()) and all((a == b).all() for a, b in sums)


def test_lives_come_out_twice_also_when_everything_is_made_anew(world: World) -> None:
    first = lives(world, survey)
    deck.cache_clear()
    again = make_world(scenario("clickbait"), 0)
    assert equal(first, simulate(again, make_users(again, PEOPLE, 0), survey, 1))


@pytest.mark.parametrize("what", ["luck", "users", "world"])
def test_every_seed_matters(world: World, what: str) -> None:
    first = lives(world, survey)
    other = make_world(scenario("clickbait"), 1) if what == "world" else world
    users = make_users(other, PEOPLE, 1 if what == "users" else 0)
    assert not equal(first, simulate(other, users, survey, 2 if what == "luck" else 1))


def test_a_user_lives_the_same_life_among_few_and_among_many(world: World) -> None:
    few, many = lives(world, survey, people=300), lives(world, survey, people=PEOPLE)
    assert (few.active == many.active[:, :300]).all()
    assert (few.totals.watch_seconds == many.totals.watch_seconds[:300]).all()


def test_on_the_first_day_every_policy_meets_the_same_people_and_the_same_candidates(world: World) -> None:
    users = make_users(world, PEOPLE, 0)

    def first_offers(places: slice) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        seen = []

        def rank(offers: Offers) -> np.ndarray:
            seen.append((offers.who, offers["item"], offers["click"]))
            return np.broadcast_to(np.arange(24)[places], (len(offers.who), 8)).copy()

        for _ in live(world, users, rank, 1, np.zeros((1, PEOPLE), dtype=bool), change=1):
            pass
        return seen

    for one, other in zip(first_offers(slice(8)), first_offers(slice(8, 16)), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_pairs_of_the_same_users_differ_far_less_than_other_users_do(world: World) -> None:
    shares = []
    for policy in (anything, lambda s: s["survey"] + 2 * s["click"], lambda s: s["like"] * s["watch"]):
        one, other = (lives(world, each).late_active_days for each in (survey, policy))
        shares.append(float((one - other).var() / (one.var() + other.var())))
    assert max(shares) < 0.45
    assert np.median(shares) < 0.28


def test_nothing_happens_that_cannot(world: World) -> None:
    users, slate = make_users(world, PEOPLE, 0), world.parameters.slate
    active = np.zeros((10, PEOPLE), dtype=bool)
    for each in live(world, users, lambda o: best(click_times_watch(o), slate), 1, active, change=5):
        assert active[each.offers.day, each.offers.who].all()
        assert each.seen[:, 0].all()
        assert (each.seen[:, 1:] <= each.seen[:, :-1]).all(), "who left does not come back to the slate"
        assert not (each.clicked & ~each.seen).any()
        assert ((each.watched > 0) == each.clicked).all()
        assert not ((each.liked | each.hated) & ~each.seen).any()
        assert all(len(set(row)) == slate for row in each.shown[:50].tolist()), "no candidate twice"
    totals = lives(world, click_times_watch).totals
    assert (totals.clicks <= totals.impressions).all()
    assert (totals.impressions <= slate * totals.sessions).all()
    assert (totals.watch_seconds[totals.clicks == 0] == 0).all()


def test_active_days_are_sessions_and_late_ones_a_part_of_them(world: World) -> None:
    found = lives(world, survey)
    assert found.active.shape == (28, PEOPLE)
    assert (found.active_days == found.totals.sessions).all()
    assert (found.late_active_days == found.active[14:].sum(0)).all()
    assert found.late_active_days.max() <= 14
    assert found.totals.rate("impressions", of="sessions") <= 8
    assert 0 < found.totals.rate("likes") < found.totals.rate("clicks") < 1
    assert lives(world, survey, people=10, days=2).late_active_days.max() <= 1


def test_signals_keep_their_contract(world: World) -> None:
    seen: dict[str, list[np.ndarray]] = {}

    def spy(signals: Mapping[str, Floats]) -> Floats:
        assert len(signals) == len(dict(signals)) == 8
        for name, values in signals.items():
            assert values.dtype == np.float32
            assert values.shape == signals["click"].shape
            seen.setdefault(name, []).append(values)
        return signals["click"]

    lives(world, spy, people=300, days=3)
    assert set(seen) == {one.name for one in SIMULATED.columns if one.role != "outcome"}
    for name, parts in seen.items():
        values = np.concatenate([part.ravel() for part in parts])
        assert SIMULATED[name].low <= values.min() < values.max() <= SIMULATED[name].high, name
        assert np.isfinite(values).all()


def test_a_policy_cannot_write_to_what_it_reads(world: World) -> None:
    def vandal(signals: Mapping[str, Floats]) -> Floats:
        signals["click"][:] = 0
        return signals["click"]

    with pytest.raises(ValueError, match="read-only"):
        lives(world, vandal, people=50, days=2)


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        (lambda s: s["click"][:, 0], r"shape \(\d+, 24\), got \(\d+,\)"),
        (lambda s: s["click"] * np.float32("nan"), "NaN"),
    ],
)
def test_scores_that_are_no_ranking_are_refused(world: World, policy: Policy, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        lives(world, policy, people=50, days=2)


def test_infinite_scores_rank(world: World) -> None:
    never = lives(world, lambda s: np.where(s["survey"] > 0, s["survey"], -np.inf), people=200)
    assert never.totals.sessions.sum() > 0


@pytest.mark.parametrize("days", [0, 1, -3])
def test_a_life_needs_two_days(world: World, days: int) -> None:
    with pytest.raises(ValueError, match="two days or more"):
        lives(world, survey, days=days)


def test_there_must_be_a_user(world: World) -> None:
    with pytest.raises(ValueError, match="one user or more, got 0"):
        make_users(world, 0, 0)


def test_a_lone_user_lives(world: World) -> None:
    assert lives(world, survey, people=1).active.shape == (28, 1)


def test_best_places_are_those_of_a_full_sort() -> None:
    scores = np.random.default_rng(0).normal(size=(200, 24)).astype(np.float32)
    assert (best(scores, 8) == np.argsort(-scores, axis=1)[:, :8]).all()


def test_attributes_of_items_are_what_they_are_said_to_be(world: World) -> None:
    log_watch = world.parameters.watch_kale + world.bait * (
        world.parameters.watch_choc - world.parameters.watch_kale
    )
    length = np.log(world.duration)
    assert abs(np.corrcoef(length, world.utility())[0, 1]) < 0.05
    assert np.corrcoef(length, log_watch)[0, 1] > 0.15
    assert np.corrcoef(world.popularity, world.bait)[0, 1] > 0.3
    assert world.popularity.max() == 1
    assert np.corrcoef(world.quality, world.bait)[0, 1] < -0.3
    users = make_users(world, 20_000, 0)
    assert abs(users.heavy.mean() - world.parameters.heavy_share) < 0.02
    assert users.base[users.heavy == 1].min() > users.base[users.heavy == 0].max()
