"""A generation with scripted proposals and verdicts: who is evaluated, who goes on, who is a duplicate."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.proposer import NoProposal, Proposal, Request
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.north_star.promotion import Promotions, banned, champion, standings_of
from recevolve.engine.runs.replay import replay
from recevolve.engine.search import run
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.values.verdict import Metric, Status, Verdict

from .toy_runs import TOY, config

Judge = Callable[[Call], Verdict]
SOURCE = 'CONSTANTS = {{"a": {}}}\n\n\ndef f(x, c):\n    return c["a"] * x\n'


def value_of(source: str) -> float:
    """The constant in a scripted source, which is its score too."""
    return float(source.split(":")[1].split("}")[0])


def honest(call: Call) -> Verdict:
    """Scores a source by its constant; behaviour follows the constant to one digit."""
    value = value_of(call.source)
    facts = {"behaviour": f"{value:.1f}"} if call.stage == "properties" else {}
    metrics = {"error": Metric(-value)} if call.stage == "north_star" else {}
    return Verdict(Status.SCORED, Metric(value), facts=facts, metrics=metrics)


@dataclass
class Scripted:
    """An executor that counts its calls and answers with a function of them."""

    answer: Judge = honest
    workers: int = 1
    busy_seconds: float = 0.0
    calls: list[Call] = field(default_factory=list)

    async def terms(self) -> Terms:
        return Terms("scripted", 2, 4, 1, "nothing")

    async def judge(self, call: Call) -> Verdict:
        self.calls.append(call)
        return self.answer(call)

    def close(self) -> None:
        pass

    def stages(self) -> Counter[str]:
        return Counter(f"{call.stage} {call.number}" for call in self.calls)


@dataclass
class Script:
    """A proposer that says its lines in turn, again and again."""

    lines: Sequence[str]
    said: int = 0

    async def propose(self, request: Request) -> Proposal:
        line = self.lines[self.said % len(self.lines)]
        self.said += 1
        if not line:
            raise NoProposal("nothing new to say")
        return Proposal(line, (request.parents[0].program_id,), "script", "as written")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., tuple[SearchContext, Scripted]]]:
    archives: list[Archive] = []

    def make(
        lines: Sequence[str] = (SOURCE.format(1.0),), answer: Judge = honest, **tables: Any
    ) -> tuple[SearchContext, Scripted]:
        population = {"islands": 1, "size": 8, "births": len(lines), "migrate_every": 100}
        chosen = config(tmp_path, **{"population": population, "proxy": {"rungs": 2, "floor": 1}, **tables})
        task = registry.find("toy", [TOY])
        archive = Archive.create_or_open(tmp_path / f"{len(archives)}.db")
        archives.append(archive)
        executor = Scripted(answer)
        terms = asyncio.run(executor.terms())
        archive.begin({"config": chosen.model_dump(mode="json"), "terms": terms.__dict__}, 0, "test")
        seeds = seeds_for(chosen, task)
        return SearchContext(
            chosen, task, terms, seeds, archive, archive.ledger(), Script(lines), executor
        ), executor

    yield make
    for archive in archives:
        archive.close()


def first(search: SearchContext) -> tuple[Any, ...]:
    """The population after generation 0, committed."""
    seeded = asyncio.run(generation(search, 0, 0, ()))
    search.archive.commit_generation(0, 0, population=seeded.population, evaluations=seeded.evaluations)
    return seeded.population


def statuses(evaluations: Sequence[Any]) -> list[tuple[str, str]]:
    return [(str(evaluation.verdict.status), evaluation.stage) for evaluation in evaluations]


def test_each_candidate_gets_a_typed_evaluation_and_only_new_ones_are_evaluated(made: Any) -> None:
    lines = [
        SOURCE.format(1.0),
        SOURCE.format(1.01),  # behaves as the first
        SOURCE.format("1.00"),  # is the first in another spelling
        "import os\n",
        "",  # the proposer has nothing to say: the parent once more
        SOURCE.format(-5.0),  # loses on rung 0
    ]
    search, executor = made(lines)
    population = first(search)
    executor.calls.clear()
    evaluations = asyncio.run(generation(search, 0, 1, population)).evaluations
    assert statuses(evaluations) == [
        ("scored", "proxy 1"),
        ("scored", "duplicate"),
        ("scored", "duplicate"),
        ("invalid", "static"),
        ("scored", "duplicate"),
        ("scored", "proxy 0"),
    ]
    assert evaluations[1].duplicate_of == evaluations[2].duplicate_of == evaluations[0].program.id
    assert evaluations[1].verdict == evaluations[0].verdict
    assert "os" in evaluations[3].verdict.reason
    assert evaluations[4].program.explanation == "nothing new to say"
    assert executor.stages() == {"properties 0": 3, "proxy 0": 2, "proxy 1": 1}


def test_a_behaviour_of_an_earlier_generation_is_not_evaluated_again(made: Any) -> None:
    search, executor = made([SOURCE.format(1.0)])
    population = first(search)
    one = asyncio.run(generation(search, 0, 1, population))
    search.archive.commit_generation(0, 1, population=population, evaluations=one.evaluations)
    search.proposer.lines = [SOURCE.format(1.02)]
    executor.calls.clear()
    again = asyncio.run(generation(search, 0, 2, population))
    assert statuses(again.evaluations) == [("scored", "duplicate")]
    assert again.evaluations[0].duplicate_of == one.evaluations[0].program.id
    assert executor.stages() == {"properties 0": 1}


def test_an_incumbent_must_be_beaten_on_the_rung_and_costs_nothing(made: Any) -> None:
    lines = [SOURCE.format(value) for value in (-1.0, -2.0, -3.0)]
    search, executor = made(lines, proxy={"rungs": 2, "keep": 0.25, "floor": 1})
    population = first(search)
    executor.calls.clear()
    born = asyncio.run(generation(search, 0, 1, population))
    assert executor.stages() == {"properties 0": 3, "proxy 0": 3}, "the seed scores 0 and takes the place"
    assert born.population == population


def test_what_infrastructure_spoiled_is_asked_again_and_then_recorded_as_such(made: Any) -> None:
    failures = iter([True, True, False])

    def flaky(call: Call) -> Verdict:
        if call.stage == "proxy" and value_of(call.source) == 2.0 and next(failures, False):
            return Verdict(Status.INFRASTRUCTURE, reason="the machine stalled")
        return honest(call)

    search, _ = made([SOURCE.format(2.0)], flaky)
    evaluations = asyncio.run(generation(search, 0, 1, first(search))).evaluations
    assert statuses(evaluations) == [("scored", "proxy 1")]

    def broken(call: Call) -> Verdict:
        if call.stage == "proxy" and value_of(call.source) == 3.0:
            return Verdict(Status.INFRASTRUCTURE, reason="the machine stalled")
        return honest(call)

    search, executor = made([SOURCE.format(3.0)], broken)
    population = first(search)
    born = asyncio.run(generation(search, 0, 1, population))
    assert statuses(born.evaluations) == [("infrastructure", "proxy 0")]
    assert born.population == population
    assert [call.number for call in executor.calls if "3.0" in call.source and call.stage == "proxy"] == [
        0
    ] * 3


def test_production_without_a_score_ends_the_run_at_once(made: Any) -> None:
    def refuse(call: Call) -> Verdict:
        return Verdict(Status.CRASHED, reason="no luck")

    search, _ = made(answer=refuse)
    with pytest.raises(BaseExceptionGroup) as caught:
        asyncio.run(run(search, lambda island, number: None, Progress()))
    assert caught.group_contains(ConfigError, match="no luck")


def test_production_that_fails_the_north_star_ends_the_run_at_once(made: Any) -> None:
    def refuse(call: Call) -> Verdict:
        if call.stage == "north_star":
            return Verdict(Status.CRASHED, reason="diverged at full length")
        return honest(call)

    search, _ = made(answer=refuse)
    with pytest.raises(ConfigError, match="diverged at full length"):
        asyncio.run(run(search, lambda island, number: None, Progress()))
    assert search.archive.last_generation(0) == 0


def test_a_cheat_found_by_the_north_star_is_banned_and_a_broken_guardrail_cannot_win(made: Any) -> None:
    def strict(call: Call) -> Verdict:
        value = value_of(call.source)
        if call.stage == "north_star" and value == 9.0:
            return Verdict(Status.CHEATED, reason="it remembers")
        if call.stage == "guard":
            return Verdict(
                Status.SCORED, Metric(0.0), metrics={"length_ratio": Metric(99.0 if value == 8.0 else 1.0)}
            )
        return honest(call)

    # of programs that differ in numbers alone an island keeps one
    forms = ("x", "numpy.tanh(x)", "numpy.sin(x)")
    lines = [
        ("" if form == "x" else "import numpy\n\n") + SOURCE.format(value).replace("* x", f"* {form}")
        for value, form in zip((9.0, 8.0, 7.0), forms, strict=True)
    ]
    search, _ = made(
        lines, strict, north_star={"every": 1, "slots": 3, "folds": 2}, proxy={"rungs": 2, "keep": 1.0}
    )
    born = asyncio.run(generation(search, 0, 1, first(search)))
    search.archive.commit_generation(0, 1, population=born.population, evaluations=born.evaluations)
    asyncio.run(Promotions().hold(search, 1, Progress()))
    cheat, guarded, fair = (evaluation.program.id for evaluation in born.evaluations)
    assert banned(search.archive, 1) == {cheat}
    broken = {one.program_id: one.broken for one in standings_of(search, 1)}
    assert "length_ratio is 99" in broken[guarded][0]
    assert not broken[fair]
    best = champion(search, 1)
    assert best is not None
    assert best.program_id == fair


def drifting(call: Call) -> Verdict:
    """Scores by a hash of the source, so that proposals matter and repeat."""
    value = int(sha256(f"{call.source} {call.stage}".encode()).hexdigest()[:6], 16) / 1e7
    return Verdict(
        Status.SCORED,
        Metric(value),
        facts={"behaviour": sha256(call.source.encode()).hexdigest()[:16]},
        metrics={"error": Metric(value), "length_ratio": Metric(1.0)},
    )


@pytest.mark.parametrize("topology", ["ring", "full", "random"])
def test_a_run_of_islands_is_rebuilt_from_its_record(made: Any, topology: str) -> None:
    lines = [SOURCE.format(value / 10) for value in range(40)]
    tables: dict[str, Any] = {
        "population": {"islands": 3, "size": 4, "births": 3, "migrate_every": 2, "topology": topology},
        "north_star": {"every": 2, "slots": 2, "folds": 2},
    }
    search, _ = made(lines, drifting, **tables)

    def until(island: int, number: int) -> str | None:
        return "enough" if number > (5 if island == 0 else 6) else None

    class Deterministic:
        """A proposer that is a function of the generator alone, as the law asks."""

        def __init__(self, *_: object) -> None:
            pass

        async def propose(self, request: Request) -> Proposal:
            drawn = lines[int(request.rng.integers(len(lines)))]
            return Proposal(drawn, (request.parents[0].program_id,), "dice", "rolled")

    object.__setattr__(search, "proposer", Deterministic())
    assert asyncio.run(run(search, until, Progress())) == "enough"
    assert [search.archive.last_generation(island) for island in range(3)] == [5, 6, 6]
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        scripted = SimpleNamespace(mixture=Deterministic())
        context.setattr("recevolve.engine.runs.replay.proposers_for", lambda *_, **__: scripted)
        assert asyncio.run(replay(search.archive, Progress(), [TOY])) == []
