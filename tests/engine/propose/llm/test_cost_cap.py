"""The cost cap: caps hold whatever is in flight, and nothing that may have been paid is forgotten."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.engine.config.config import Budget, ConfigError
from recevolve.engine.config.proposers import Model
from recevolve.engine.propose.llm.cost_cap import Capped, CostCap, check
from recevolve.engine.propose.llm.prices import Price, price_of
from recevolve.population.archive.archive import Archive
from recevolve.population.archive.spending import Bill, Spending
from recevolve.population.values.origin import Spend

PRICE = Price(1e-6, 4e-6, 1e-7, 1.25e-6)
NOON, MIDNIGHT = 1_700_049_600.0, 1_700_092_800.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path, clock: Clock) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "archive.db", clock=clock) as opened:
        yield opened


def cost_cap(archive: Archive, clock: Clock, price: Price | None = PRICE, **budget: Any) -> CostCap:
    return CostCap(
        Spending(archive.connection, clock), Budget(**budget), price=lambda model: price, clock=clock
    )


def model(**more: Any) -> Model:
    return Model(name="hosted/model", **{"max_tokens": 1000, **more})


def record(archive: Archive, sample: int, bills: dict[str, Bill]) -> None:
    """An answer in the ledger with these bills."""
    value = {"bills": {name: bill.to_json() for name, bill in bills.items()}, "model": "m", "dropped": []}
    archive.ledger().record({"stage": "model", "sample": sample}, value)


CAPS = [
    ({"dollars": 0.1}, {}),
    ({"dollars": 5.0, "dollars_per_day": 0.1}, {}),
    ({"dollars": 5.0, "tokens": 30_000}, {}),
    ({"dollars": 5.0, "calls": 21}, {}),
    ({"dollars": 5.0}, {"dollars": 0.1}),
    ({"dollars": 5.0}, {"tokens": 30_000}),
]


@pytest.mark.parametrize(("budget", "own"), CAPS)
def test_no_cap_is_passed_with_sixteen_in_flight(
    archive: Archive, clock: Clock, budget: dict[str, Any], own: dict[str, Any]
) -> None:
    it = cost_cap(archive, clock, **budget)
    one, chance = model(**own), random.Random(1)
    refused = 0

    async def worker() -> None:
        nonlocal refused
        for _ in range(20):
            try:
                room = await it.reserve(one, 500)
            except Capped:
                refused += 1
                continue
            await asyncio.sleep(0)
            tokens = chance.randint(1, 500), chance.randint(0, 1000)
            it.charge(room, Bill(Spend(1, tokens[0], 0, tokens[1], PRICE.of(*tokens))))

    async def main() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(worker())

    asyncio.run(main())
    spent = it.total()
    limits = {**budget, **own}
    dollars = min(limits.get(name, 9.0) for name in ("dollars", "dollars_per_day"))
    assert spent.dollars <= dollars
    assert spent.tokens <= limits.get("tokens", 10**9)
    assert spent.calls <= limits.get("calls", 10**9)
    assert refused
    assert spent.dollars > 0.8 * dollars or spent.tokens > 25_000 or spent.calls == 21, "caps are used up"
    of_the_run = not own and "dollars_per_day" not in budget
    assert (it.exhausted() is not None) == of_the_run


def test_room_that_a_call_in_flight_holds_is_waited_for(archive: Archive, clock: Clock) -> None:
    async def main() -> None:
        it = cost_cap(archive, clock, dollars=1.0, calls=1)
        room = await it.reserve(model(), 10)
        second = asyncio.create_task(it.reserve(model(), 10))
        await asyncio.sleep(0)
        assert not second.done()
        assert it.exhausted() is None
        it.charge(room, Bill())
        await second

    asyncio.run(main())


def test_a_new_day_has_its_own_dollars(archive: Archive, clock: Clock) -> None:
    async def main() -> None:
        it = cost_cap(archive, clock, dollars=1.0, dollars_per_day=0.005)
        it.charge(await it.reserve(model(), 500), Bill(Spend(1, dollars=0.0045)))
        with pytest.raises(Capped, match="dollars_per_day"):
            await it.reserve(model(), 500)
        assert it.exhausted() is None, "a day's cap does not end the run"
        clock.now = MIDNIGHT
        await it.reserve(model(), 500)

    asyncio.run(main())


def test_what_was_spent_before_counts(archive: Archive, clock: Clock) -> None:
    record(
        archive,
        0,
        {"hosted/model": Bill(Spend(3, 100, 0, 100, 0.5)), "other": Bill(Spend(1, 5, dollars=0.2))},
    )
    record(archive, 1, {"hosted/model": Bill(Spend(unanswered=700), 0.25)})
    archive.ledger().record({"stage": "proxy"}, {"bills": {"hosted/model": {"dollars": 99.0}}})
    it = cost_cap(archive, clock, dollars=0.95)
    assert it.bills == {
        ("hosted/model", "2023-11-15"): Bill(Spend(3, 100, 0, 100, 0.5, unanswered=700), 0.25),
        ("other", "2023-11-15"): Bill(Spend(1, 5, dollars=0.2)),
    }
    assert it.exhausted() == "dollars: 0.9500 of 0.95 used"
    assert cost_cap(archive, clock, dollars=9.0, tokens=905).exhausted() == "tokens: 905 of 905 used"
    assert cost_cap(archive, clock, dollars=9.0, calls=4).exhausted() == "calls: 4 of 4 made"
    with pytest.raises(Capped):
        asyncio.run(it.reserve(model(), 1))


def test_calls_of_a_killed_session_count_as_if_they_had_been_paid(archive: Archive, clock: Clock) -> None:
    async def killed() -> None:
        it = cost_cap(archive, clock, dollars=1.0)
        rooms = [await it.reserve(model(), 500) for _ in range(3)]
        it.charge(rooms[0], Bill())
        it.strike(rooms[:1])

    asyncio.run(killed())
    again = cost_cap(archive, clock, dollars=1.0)
    (bill,) = again.bills.values()
    assert bill.spend == Spend(unanswered=2 * 1500)
    assert bill.risked == pytest.approx(2 * (500 * 1.25e-6 + 1000 * 4e-6))
    assert Spending(archive.connection).bills() == again.bills


def test_a_reservation_is_on_the_disk_before_the_call(archive: Archive, clock: Clock) -> None:
    async def main() -> None:
        await cost_cap(archive, clock, dollars=1.0).reserve(model(), 500)
        with Archive.read(archive.path) as other:
            assert Spending(other.connection).pending() == {"hosted/model": 1}

    asyncio.run(main())


def test_free_models_need_no_dollars(archive: Archive, clock: Clock) -> None:
    it = cost_cap(archive, clock, Price(0.0, 0.0, 0.0, 0.0))
    reservation = asyncio.run(it.reserve(model(dollars=0.1), 10**6))
    assert reservation.dollars == 0.0
    assert Spending(archive.connection).pending() == {"hosted/model": 1}
    assert it.exhausted() is None


def test_a_model_of_unknown_price_is_held_by_its_tokens(archive: Archive, clock: Clock) -> None:
    async def main() -> None:
        it = cost_cap(archive, clock, None, tokens=2000)
        it.charge(await it.reserve(model(), 500), Bill(Spend(1, 400, 0, 300, unpriced=700)))
        with pytest.raises(Capped, match=r"budget\.tokens: 700 of 2000 used"):
            await it.reserve(model(), 500)
        assert it.total().dollars == 0
        assert it.total().unpriced == 700

    asyncio.run(main())


def local(**more: Any) -> Model:
    return Model(name="openai/x", api_base="http://127.0.0.1:1/v1", **more)


def refusal(asked: Model, price: Price | None, budget: dict[str, Any]) -> str:
    """What is said against asking this model under this budget; "" where it may be asked."""
    try:
        check([asked], Budget(**budget), lambda one: price)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("asked", "price", "budget", "words"),
    [
        (model(), PRICE, {}, "budget.dollars is 0"),
        (model(), None, {"dollars": 5.0}, "input_price"),
        (model(), None, {}, "budget.tokens"),
    ],
)
def test_what_cannot_be_bounded_is_refused_at_the_start(
    asked: Model, price: Price | None, budget: dict[str, Any], words: str
) -> None:
    said = refusal(asked, price, budget)
    assert words in said
    assert asked.name in said


@pytest.mark.parametrize(
    ("asked", "price", "budget"),
    [
        (model(), PRICE, {"dollars": 1.0}),
        (model(), None, {"tokens": 10}),
        (model(tokens=10), None, {}),
        (model(), Price(0.0, 0.0, 0.0, 0.0), {}),
        (local(), price_of(local()), {}),
    ],
)
def test_what_can_be_bounded_is_taken(asked: Model, price: Price | None, budget: dict[str, Any]) -> None:
    assert refusal(asked, price, budget) == ""


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_no_call_costs_more_than_was_reserved_for_it(plain: int, cached: int, written: int, out: int) -> None:
    whole = plain + cached + written
    assert PRICE.of(whole, out, cached, written) <= PRICE.most(whole, out) * (1 + 1e-12)


@pytest.mark.heavy
def test_prices_come_from_the_config_then_from_the_list_and_else_are_unknown() -> None:
    assert price_of(local()) == Price(0.0, 0.0, 0.0, 0.0)
    assert price_of(local(input_price=2.0)) == Price(2e-6, 0.0, 2e-6, 2e-6)
    assert price_of(model(input_price=1.0, output_price=2.0)) == Price(1e-6, 2e-6, 1e-6, 1e-6)
    assert price_of(model(input_price=1.0)) is None
    assert price_of(Model(name="openai/no-such-model")) is None
    listed = price_of(Model(name="anthropic/claude-sonnet-4-5"))
    assert listed is not None
    assert listed.cache_read < listed.prompt < listed.cache_write < listed.answer
    assert price_of(Model(name="claude-sonnet-4-5")) == listed
    dearer = price_of(Model(name="anthropic/claude-sonnet-4-5", output_price=99.0))
    assert dearer is not None
    assert (dearer.prompt, dearer.answer) == (listed.prompt, 99e-6)
