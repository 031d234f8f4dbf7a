"""The cause of a gain: what is worth nothing goes, the rest is listed, and nothing is paid for twice."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.engine.claim import conclude
from recevolve.engine.config.run_dir import REPORT
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.proposer import Proposal, Request
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.north_star.ablation import Evidence, ablate, ancestor_of, hand_on, keep
from recevolve.engine.north_star.promotion import Promotions
from recevolve.engine.report.report import rendered
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

from ..toy_runs import TOY, config

OLD = 'CONSTANTS = {"a": 0.5}\n\n\ndef f(x, c):\n    y = c["a"] * x\n    return y\n'
WINNER = """import numpy

CONSTANTS = {"a": 0.5, "b": 2.0, "tiny": 1e-9}


def f(x, c):
    y = c["b"] * numpy.tanh(x)
    dead = numpy.square(x)
    y = y + c["tiny"] * x
    return y
"""
TWICE = """import numpy

CONSTANTS = {"a": 0.5, "one": 1.0, "two": 1.0}


def f(x, c):
    y = c["a"] * x
    if c["one"] > 0.5:
        y = 2.0 * numpy.tanh(x)
    if c["two"] > 0.5:
        y = 2.0 * numpy.tanh(x)
    return y
"""


class Curve:
    """Judges by the error to 2 tanh(x), in this process: what it runs is written above."""

    workers = 1
    busy_seconds = 0.0

    def __init__(self, spread: float | None = 1e-4) -> None:
        self.spread = spread
        self.calls: list[Call] = []

    async def terms(self) -> Terms:
        return Terms("curve", 2, 4, 1, "nothing")

    async def judge(self, call: Call) -> Verdict:
        self.calls.append(call)
        scope: dict[str, Any] = {}
        try:
            exec(compile(call.source, "candidate", "exec"), scope)
            x = np.random.default_rng(call.number + 10 * len(call.split)).uniform(-2, 2, 64)
            out = scope["f"](x, scope["CONSTANTS"])
        except (NameError, KeyError) as error:
            return Verdict(Status.CRASHED, reason=repr(error))
        if call.stage == "properties":
            behaviour = " ".join(f"{value:.6f}" for value in out[:4])
            return Verdict(Status.SCORED, Metric(0.0), facts={"behaviour": behaviour})
        errors = (out - 2 * np.tanh(x)) ** 2
        score = -float(errors.mean())
        facts = {"units": [-float(each) for each in errors]} if call.stage == "north_star" else {}
        return Verdict(
            Status.SCORED,
            Metric(score, self.spread, 64),
            metrics={"error": Metric(-score), "length_ratio": Metric(1.0)},
            facts=facts,
        )

    def close(self) -> None:
        pass


class Once:
    """A proposer that always says the same."""

    def __init__(self, line: str) -> None:
        self.line = line

    async def propose(self, request: Request) -> Proposal:
        return Proposal(self.line, (request.parents[0].program_id,), "script", "as written")


Make = Callable[..., tuple[SearchContext, Curve, Program]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Make]:
    """A search whose second generation bore the line."""
    archives: list[Archive] = []

    def make(
        line: str = WINNER, spread: float | None = 1e-4, **north_star: Any
    ) -> tuple[SearchContext, Curve, Program]:
        seed = tmp_path / "seed.py"
        seed.write_text(OLD)
        chosen = config(
            tmp_path,
            seeds=[str(seed)],
            population={"islands": 1, "size": 8, "births": 1, "migrate_every": 100},
            proxy={"rungs": 2, "floor": 4},
            north_star={"every": 1, "slots": 2, "folds": 3, **north_star},
        )
        archive = Archive.create_or_open(tmp_path / f"{len(archives)}.db")
        archives.append(archive)
        judge, task = Curve(spread), registry.find("toy", [TOY])
        terms = asyncio.run(judge.terms())
        archive.begin({"config": chosen.model_dump(mode="json"), "terms": terms.__dict__}, 0, "test")
        seeds = seeds_for(chosen, task)
        search = SearchContext(chosen, task, terms, seeds, archive, archive.ledger(), Once(line), judge)
        population: Any = ()
        for number in (0, 1):
            made = asyncio.run(generation(search, 0, number, population))
            population = made.population
            archive.commit_generation(0, number, population=population, evaluations=made.evaluations)
            asyncio.run(Promotions().hold(search, number, Progress()))
        return search, judge, made.evaluations[0].program

    yield make
    for archive in archives:
        archive.close()


def evidence_of(search: SearchContext, program: Program) -> Evidence:
    return asyncio.run(ablate(search, program, ancestor_of(search, program.id)))


def effects(evidence: Evidence) -> dict[str, float]:
    return {one.text: round(one.effect.estimate, 3) for one in evidence.edits if one.effect}


@pytest.mark.parametrize("measure", ["proxy", "north_star"])
def test_an_edit_that_does_nothing_is_taken_out_and_the_others_keep_their_effect(
    made: Make, measure: str
) -> None:
    search, _, program = made(ablate_on=measure)
    evidence = evidence_of(search, program)
    assert (evidence.program_id, evidence.ancestor_id) == (program.id, search.seeds[0].id)
    removed = {one.text for one in evidence.edits if one.removed}
    assert any("tiny" in text for text in removed)
    assert any("dead" in text for text in removed)
    kept = [one for one in evidence.edits if not one.removed]
    assert any("numpy.tanh" in one.text and one.effect and one.effect.low > 0 for one in kept)
    simplified = evidence.simplified
    assert simplified is not None
    assert "tiny" not in simplified.program.source
    assert "dead" not in simplified.program.source
    assert "numpy.tanh" in simplified.program.source
    assert simplified.program.parents == (program.id,)
    assert simplified.program.made_by == "ablation"
    assert simplified.verdict.score is not None
    data = evidence.to_json()
    assert {"edit", "effect", "low", "high"} <= set(data["edits"][0])


def test_what_was_kept_is_shown_and_traced_like_any_program_and_bears_on_no_island(made: Make) -> None:
    search, _, program = made()
    evidence = evidence_of(search, program)
    assert evidence.simplified is not None
    made_id = evidence.simplified.program.id
    before = search.archive.shares()
    keep(search, evidence)
    assert search.archive.program(made_id[:8]) == evidence.simplified.program
    assert search.archive.evaluations_of(made_id) == (evidence.simplified,)
    line = [evaluation.program.id for evaluation in search.archive.lineage(made_id)]
    assert line == [made_id, program.id, search.seeds[0].id]
    assert search.archive.shares() == before
    assert made_id not in {one.program_id for one in search.archive.population(0, 1)}


def test_nothing_is_asked_twice_and_nothing_at_all_where_it_is_switched_off(made: Make) -> None:
    search, judge, program = made()
    first = evidence_of(search, program)
    asked = len(judge.calls)
    assert evidence_of(search, program) == first
    assert len(judge.calls) == asked
    search, judge, program = made(ablations=0)
    asked = len(judge.calls)
    evidence = evidence_of(search, program)
    assert not evidence.edits
    assert evidence.simplified is None
    assert len(judge.calls) == asked


def test_more_edits_than_may_be_tried_are_tried_in_groups(made: Make) -> None:
    search, _, program = made(ablations=12)
    whole = evidence_of(search, program)
    assert len(whole.edits) > 2
    search, _, program = made(ablations=2)
    grouped = evidence_of(search, program)
    assert len(grouped.edits) == 2
    search, _, program = made(ablations=1)
    one = evidence_of(search, program)
    assert len(one.edits) == 1
    assert one.simplified is None


def test_two_edits_that_stand_in_for_each_other_are_not_both_taken_out(made: Make) -> None:
    search, _, program = made(TWICE)
    evidence = evidence_of(search, program)
    assert evidence.simplified is not None
    assert evidence.simplified.program.source.count("numpy.tanh") == 1
    assert 0 < sum(one.removed for one in evidence.edits) < len(evidence.edits)


def test_a_winner_that_needs_every_edit_stays_as_it_is(made: Make) -> None:
    lean = OLD.replace("CONSTANTS", "import numpy\n\nCONSTANTS", 1).replace(
        'c["a"] * x', "2.0 * numpy.tanh(x)"
    )
    search, _, program = made(lean)
    evidence = evidence_of(search, program)
    assert evidence.simplified is None
    assert not any(one.removed for one in evidence.edits)
    assert evidence.edits


def test_without_errors_the_share_of_the_gain_decides(made: Make) -> None:
    search, _, program = made(spread=None)
    evidence = evidence_of(search, program)
    assert evidence.simplified is not None
    assert evidence.edits[0].to_json()["low"] is None
    assert "numpy.tanh" in evidence.simplified.program.source


def test_an_edit_that_cannot_be_undone_alone_says_why(made: Make) -> None:
    def refuse(judge: Curve) -> Callable[[Call], Any]:
        honest = judge.judge

        async def answer(call: Call) -> Verdict:
            if call.stage == "properties" and "tanh" not in call.source:
                return Verdict(Status.INVALID, reason="it must be bounded")
            return await honest(call)

        return answer

    search, judge, program = made()
    object.__setattr__(judge, "judge", refuse(judge))
    (stuck,) = [one for one in evidence_of(search, program).edits if one.reason]
    assert "numpy.tanh" in stuck.text
    assert stuck.reason == "it must be bounded"
    assert not stuck.removed
    assert stuck.to_json()["effect"] is None


def test_the_conclusion_claims_the_simplified_winner_and_lists_its_edits(made: Make, tmp_path: Path) -> None:
    search, _, program = made(ablate_on="north_star")
    report = asyncio.run(
        conclude(search, "enough", (), {"seconds": 1.0, "evaluating_share": 0.5}, Progress())
    )
    chosen = report["winner"]
    assert chosen["simplified_from"] == program.id
    assert chosen["program"] != program.id
    assert report["arms"][0]["program"] == chosen["program"]
    assert report["gain"]["beyond_noise"]
    assert report["alignment"]["elites"]
    assert search.archive.conclusion(REPORT) == report
    from rich.console import Console

    console = Console(width=160)
    with console.capture() as seen:
        console.print(rendered(report))
    assert "each undone alone on the selection folds" in seen.get()
    assert "removed, " in seen.get()
    with Archive.create_or_open(tmp_path / "other.db") as other:
        hand_on(search.archive, other)
        assert other.program(chosen["program"]).parents == (program.id,)
