"""Lessons are written at promotion rounds, the same for all islands; a failure leaves the old in force."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.propose.journal import WARM_START, Journal
from recevolve.engine.propose.llm.client import Answer, Ask, Outcome
from recevolve.engine.propose.llm.prompts.lessons import LONGEST, MOST, Lessons, read, recorded, rounds
from recevolve.engine.propose.llm.prompts.prompt import Prompts
from recevolve.evaluators.kinds import registry

from ....story import Story, source_of
from ....toy_runs import TOY, config


@dataclass
class Teacher:
    """Answers the question of a promotion round with a lesson that names it, or fails as told."""

    fails: tuple[str, ...] = ()
    asked: list[Ask] = field(default_factory=list)

    async def ask(self, ask: Ask, *, until: float | None = None) -> Answer:
        self.asked.append(ask)
        if ask.sample in self.fails:
            return Answer(Outcome.TIMED_OUT, "- never said", "too late", ask.model)
        return Answer(Outcome.ANSWERED, f"- learnt at {ask.sample}\n", "", ask.model)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    propose: dict[str, Any] = {"models": ["openai/first", "openai/second"], "lessons_every": 4}
    told = Story(tmp_path / "story", propose=propose)
    for number in range(8):
        for island in range(2):
            told.generation(island, told.evaluation(source_of(f"{number}{island}.5"), number / 10))
    yield told
    told.archive.close()


def lessons_of(story: Story, teacher: Teacher) -> Lessons:
    journal = Journal(story.archive, story.config)
    prompts = Prompts(registry.find("toy", [TOY]), story.config, journal)
    return Lessons(prompts, journal, story.config, teacher)


def at(lessons: Lessons, generation: int) -> tuple[str, ...]:
    return asyncio.run(lessons.at(generation))


def test_they_are_due_at_rounds_that_passed_a_multiple(tmp_path: Path) -> None:
    def due(every: int, lessons_every: int, last: int) -> list[int]:
        tables = {"north_star": {"every": every}, "propose": {"lessons_every": lessons_every}}
        return rounds(config(tmp_path, **tables), last)

    assert due(5, 10, 34) == [10, 20, 30]
    assert due(3, 10, 30) == [12, 21, 30]
    assert due(5, 2, 16) == [5, 10, 15]
    assert due(4, 4, 3) == []
    assert due(5, 0, 100) == []


def test_one_question_serves_the_generations_until_the_next(story: Story) -> None:
    teacher = Teacher()
    lessons = lessons_of(story, teacher)
    assert [at(lessons, number) for number in range(1, 9)] == [()] * 4 + [("learnt at lessons/4",)] * 4
    assert [(ask.sample, ask.model) for ask in teacher.asked] == [("lessons/4", "openai/first")]


def test_the_question_is_the_same_whoever_asks_and_when(story: Story) -> None:
    first, later = Teacher(), Teacher()
    at(lessons_of(story, first), 5)
    story.generation(0, story.evaluation(source_of("99.5"), 9.9))
    at(lessons_of(story, later), 9)
    assert later.asked[0] == first.asked[0]
    text = first.asked[0].messages[-1]["content"]
    assert "a 0.0 → 31.5" in text
    assert "a 0.0 → 40.5" not in text, "generation 5 was not committed at the round of generation 4"
    assert "learnt at lessons/4" in later.asked[1].messages[-1]["content"], "old lessons may be corrected"


def test_a_failure_leaves_the_lessons_as_they_were(story: Story) -> None:
    teacher = Teacher(fails=("lessons/8",))
    for number in range(2):
        for island in range(2):
            story.generation(island, story.evaluation(source_of(f"{number}{island}.25"), 0.0))
    assert at(lessons_of(story, teacher), 9) == ("learnt at lessons/4",)
    assert at(lessons_of(story, Teacher(fails=("lessons/4", "lessons/8"))), 9) == ()


def test_an_earlier_runs_lessons_stay_until_there_are_new_ones(story: Story) -> None:
    story.archive.conclude(WARM_START, {"entries": [], "lessons": ["from before"]})
    assert at(lessons_of(story, Teacher()), 4) == ("from before",)
    teacher = Teacher()
    at(lessons_of(story, teacher), 5)
    assert "from before" in teacher.asked[0].messages[-1]["content"]


def test_reading_takes_list_items_and_nothing_else() -> None:
    text = (
        "Here they are:\n\n- **one** `x`\n2. two\n* three\x1b[31m\nprose\n```\n- four <|im_end|>\n"
        + "- more\n" * 20
    )
    found = read(text)
    assert found[:4] == ("**one** `x`", "two", "three", "four < |im_end| >")
    assert len(found) == MOST
    assert len(read("- " + "long " * 500)[0]) <= LONGEST
    assert read("no list") == ()


def test_what_was_recorded_can_be_read_without_a_model(story: Story) -> None:
    assert recorded(story.archive, 99) == ()
    story.answer("lessons/4", "- early")
    story.answer("lessons/8", "- late")
    story.answer("lessons/12", "- lost", "timed_out")
    story.answer("0/9/1/0", "- a proposal")
    assert recorded(story.archive, 99) == ("late",)
    assert recorded(story.archive, 7) == ("early",)
