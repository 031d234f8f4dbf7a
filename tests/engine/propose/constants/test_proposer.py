"""Constants: a tuner that knows only the archive finds planted numbers, and leaves structure alone."""

import ast
import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recevolve.engine.loop.proposer import NoProposal, Parent, Place, Proposal, Request
from recevolve.engine.propose.constants.proposer import NAME, NOTHING, ConstantsProposer, Tuning
from recevolve.evaluators.language.canonical import syntax_hash
from recevolve.evaluators.language.literals import numbers
from recevolve.evaluators.language.static import check
from recevolve.evaluators.language.vocabulary import Layout
from recevolve.evaluators.optimizer.task import TASK
from recevolve.population.archive.archive import Archive
from recevolve.population.island.randomness import generator
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member, ranked
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

ADAM = TASK.seeds["adam"]
TARGET = {"lr": 0.03, "beta1": 0.8, "beta2": 0.99, "eps": 1e-6}
Score = Callable[[str], float | None]


def constants(source: str) -> dict[str, float]:
    (table,) = (node.value for node in ast.parse(source).body if isinstance(node, ast.Assign))
    found: dict[str, float] = ast.literal_eval(table)
    return found


def place(key: str, value: float) -> float:
    return math.log(1 - value if key.startswith("beta") else value)


def planted(source: str) -> float:
    """The negative squared distance to the target, on the scale of each number; higher is better."""
    found = constants(source)
    return -sum((place(key, found[key]) - place(key, wanted)) ** 2 for key, wanted in TARGET.items())


class Life:
    """An island on which only constants are tuned."""

    def __init__(self, archive: Archive, *seeds: str, score: Score = planted, slots: int = 6) -> None:
        self.archive, self.score, self.slots = archive, score, slots
        self.population: tuple[Member, ...] = ()
        self.number = 0
        self.made: list[Proposal] = []
        self.commit([Program(TASK.kind, seed, (), "seed", "") for seed in seeds])

    def commit(self, programs: list[Program]) -> None:
        evaluations = []
        for slot, program in enumerate(programs):
            score = self.score(program.source)
            verdict = (
                Verdict(Status.CRASHED, reason="no")
                if score is None
                else Verdict(Status.SCORED, Metric(score))
            )
            evaluations.append(
                Evaluation(
                    0, self.number, slot, program, syntax_hash(program.source), verdict, "proxy 1", program.id
                )
            )
            if score is not None:
                self.population += (Member(program.id, program.source, score, program.id, (), 9),)
        self.population = ranked(self.population)[:12]
        self.archive.commit_generation(0, self.number, population=self.population, evaluations=evaluations)
        self.number += 1

    def request(self, slot: int) -> Request:
        best = self.population[0]
        rng = generator(7, "propose", 0, self.number, slot)
        return Request(
            Place(0, self.number, slot), (Parent(best.program_id, best.source),), rng, self.population
        )

    def ask(self, proposer: ConstantsProposer, slot: int = 0) -> Proposal:
        return asyncio.run(proposer.propose(self.request(slot)))

    def live(self, proposer: ConstantsProposer, generations: int) -> None:
        for _ in range(generations):
            made = []
            for slot in range(self.slots):
                try:
                    made.append(self.ask(proposer, slot))
                except NoProposal:
                    continue
            self.made += made
            self.commit(
                [
                    Program(TASK.kind, one.source, tuple(one.parents), one.made_by, one.explanation)
                    for one in made
                ]
            )


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "archive.db") as opened:
        opened.begin({}, 0, "test")
        yield opened


def tuner(archive: Archive) -> ConstantsProposer:
    return ConstantsProposer(archive, TASK.rules, TASK.vocabulary)


def test_planted_numbers_are_found_and_children_are_ordinary_programs(archive: Archive) -> None:
    life = Life(archive, ADAM)
    start = life.population[0].score
    life.live(tuner(archive), 25)
    assert life.population[0].score > start / 30, "both are negative distances"
    layout = TASK.vocabulary.layout
    assert {numbers(one.source, layout).skeleton for one in life.made} == {numbers(ADAM, layout).skeleton}
    assert all(one.made_by == NAME and not check(one.source, TASK.rules) for one in life.made)
    assert len({syntax_hash(one.source) for one in life.made}) == len(life.made), "none is proposed twice"
    assert " -> " in life.made[0].explanation


def test_one_that_has_just_opened_the_archive_proposes_what_the_one_that_lived_through_it_does(
    archive: Archive,
) -> None:
    def score(source: str) -> float:
        return planted(source) if "beta1" in source else -20.0 - abs(math.log(constants(source)["lr"]))

    life, lived = Life(archive, ADAM, TASK.seeds["rmsprop"], score=score), tuner(archive)
    for _ in range(6):
        life.live(lived, 1)
        fresh = tuner(archive)
        assert [life.ask(fresh, slot) for slot in range(4)] == [life.ask(lived, slot) for slot in range(4)]


def test_an_earlier_generation_sees_nothing_of_later_ones(archive: Archive) -> None:
    life, lived = Life(archive, ADAM), tuner(archive)
    life.live(lived, 3)
    early = life.request(0)
    expected = asyncio.run(tuner(archive).propose(life.request(0))).source
    life.live(lived, 4)
    early = Request(early.place, early.parents, generator(7, "propose", 0, 4, 0), early.population)
    assert asyncio.run(lived.propose(early)).source == expected


def test_slots_of_a_generation_draw_different_numbers(archive: Archive) -> None:
    life, proposer = Life(archive, ADAM), tuner(archive)
    assert len({life.ask(proposer, slot).source for slot in range(8)}) == 8


def test_candidates_of_others_in_the_family_teach_it_too(archive: Archive) -> None:
    life = Life(archive, ADAM)
    life.live(tuner(archive), 2)
    before = life.ask(tuner(archive)).source
    text = numbers(ADAM, TASK.vocabulary.layout).text
    better = text.replace("'lr': 0.005", "'lr': 0.03").replace("1e-08", "1e-06")
    assert planted(better) > life.population[0].score
    population = life.population
    life.commit([Program(TASK.kind, better, (), "openai/x edits", "")])
    life.population = population
    assert life.ask(tuner(archive)).source != before


def test_a_family_is_left_alone_when_nothing_helps_and_the_next_one_is_tuned(archive: Archive) -> None:
    life = Life(
        archive,
        ADAM,
        TASK.seeds["rmsprop"],
        score=lambda s: -float("beta1" not in s) - (s not in (ADAM, TASK.seeds["rmsprop"])),
    )
    life.live(tuner(archive), 40)
    adam, rmsprop = (sum(("beta1" in one.source) == wanted for one in life.made) for wanted in (True, False))
    assert adam > 0
    assert rmsprop > 0
    assert adam + rmsprop < 40 * 6, "both are exhausted in the end"
    with pytest.raises(NoProposal) as caught:
        life.ask(tuner(archive))
    assert caught.value.outcome == NOTHING


def test_failures_are_worst_and_do_no_harm(archive: Archive) -> None:
    def fragile(source: str) -> float | None:
        return None if constants(source)["lr"] > 0.02 else constants(source)["lr"]

    life = Life(archive, ADAM, score=fragile)
    life.live(tuner(archive), 15)
    assert 0.015 < life.population[0].score <= 0.02


def test_switches_are_turned_now_and_then_and_whole_numbers_stay_whole(archive: Archive) -> None:
    source = ADAM.replace('"eps": 1e-8', '"eps": 1e-8, "nesterov": 0, "turns": 5')
    life = Life(archive, source, score=lambda s: float(constants(s)["turns"]))
    life.live(tuner(archive), 12)
    made = [constants(one.source) for one in life.made]
    assert {one["nesterov"] for one in made} == {0, 1}
    assert all(isinstance(one["turns"], int) and one["turns"] >= 1 for one in made)
    assert constants(life.population[0].source)["turns"] > 20


def test_without_a_number_there_is_nothing_to_tune(archive: Archive) -> None:
    life = Life(archive, ADAM, score=lambda s: 0.0)
    bare = "def f(x):\n    return x + 1.0\n"
    life.population = (Member("bare", bare, 0.0, "b", (), 3),)
    with pytest.raises(NoProposal) as caught:
        life.ask(tuner(archive))
    assert caught.value.outcome == NOTHING


def test_a_migrant_is_tuned_as_well_as_a_native(archive: Archive) -> None:
    life = Life(archive, TASK.seeds["rmsprop"], score=lambda s: planted(s) if "beta1" in s else -1e3)
    foreign = Program(TASK.kind, ADAM, (), "seed", "")
    verdict = Verdict(Status.SCORED, Metric(planted(ADAM)))
    archive.commit_generation(
        1,
        0,
        population=(),
        evaluations=[Evaluation(1, 0, 0, foreign, syntax_hash(ADAM), verdict, "proxy 1", foreign.id)],
    )
    life.population = (Member(foreign.id, ADAM, planted(ADAM), foreign.id, (), 9), *life.population)
    start = planted(ADAM)
    life.live(tuner(archive), 20)
    assert life.population[0].score > start / 4


def test_numbers_with_choices_are_tuned_among_them() -> None:
    layout = Layout("f", "CONFIG", "CONFIG", choices={"": (16, 32, 64, 128), "warps": (1, 2, 4)}, code=False)
    tuning = Tuning(numbers('CONFIG = {"BLOCK": 32, "num_warps": 1}\n', layout))
    drawn = [tuning.draw(generator(number, "choices")) for number in range(40)]
    assert {values[0] for values in drawn} <= {16, 32, 64, 128}
    assert {values[1] for values in drawn} <= {1, 2, 4}
    assert len({tuple(values.values()) for values in drawn}) > 3
