"""`recevolve prompt` shows what the next proposal would be asked, and asks nobody."""

import asyncio
from pathlib import Path

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.propose.llm.prompts.prompt import count
from recevolve.engine.report.prompt_preview import preview, rendered

from ..story import Story, source_of
from ..toy_runs import TASKS, TOY, command


@pytest.fixture
def run(tmp_path: Path) -> Path:
    story = Story(tmp_path / "run", propose={"lessons_every": 2})
    for number in range(2):
        for island in range(2):
            story.generation(
                island, story.evaluation(source_of(f"{number}{island}.5"), number + 0.1, cell=(str(number),))
            )
    story.meet(0, {story.production.id: (0.0, 0.0)})
    story.answer("lessons/2", "- keep it small")
    story.archive.close()
    return tmp_path / "run"


def test_it_is_the_next_prompt_of_that_island(run: Path) -> None:
    facts = asyncio.run(preview(run, 1, "crossover", tasks=[TOY]))
    assert (facts["island"], facts["generation"], facts["slot"], facts["form"]) == (1, 3, 0, "crossover")
    text = facts["messages"][-1]["content"]
    assert "keep it small" in text
    assert "## Parent 2" in text
    assert facts["tokens"] > 300
    assert facts["counted_by"] == "estimate"
    assert asyncio.run(preview(run, 1, "crossover", tasks=[TOY])) == facts


@pytest.mark.heavy
def test_with_a_model_in_the_config_a_tokenizer_counts_and_nothing_is_fetched(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", propose={"models": ["hosted_vllm/meta-llama/Llama-3-8B"]})
    story.archive.close()
    facts = asyncio.run(preview(tmp_path / "run", 0, tasks=[TOY]))
    assert facts["form"] == "edits"
    assert facts["counted_by"] == "the tokenizer of gpt-4o"
    estimated = count(facts["messages"])
    assert 0.7 * estimated < facts["tokens"] < estimated, "the estimate is on the safe side"


def test_an_earlier_generation_knows_only_what_was_known_then(run: Path) -> None:
    text = asyncio.run(preview(run, 0, "edits", 2, tasks=[TOY]))["messages"][-1]["content"]
    assert "00.5" in text
    assert "10.5" not in text
    assert "keep it small" not in text


@pytest.mark.parametrize(
    ("island", "form", "generation", "words"),
    [
        (2, None, None, "--island: expected 0 to 1, got 2"),
        (0, "haiku", None, "--form: expected edits, whole, crossover, got haiku"),
        (0, None, 4, "--generation: expected 1 to 3, got 4"),
        (0, None, 0, "--generation: expected 1 to 3, got 0"),
    ],
)
def test_what_is_not_there_is_refused(
    run: Path, island: int, form: str | None, generation: int | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        asyncio.run(preview(run, island, form, generation, tasks=[TOY]))


def test_the_command_prints_it_as_it_is(run: Path) -> None:
    facts = asyncio.run(preview(run, 0, tasks=[TOY]))
    done = command("prompt", *TASKS, run, "--island", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout == rendered(facts) + "\n"
    assert "----- system (constant up to here) -----" in done.stdout
    assert facts["messages"][-1]["content"] in done.stdout
    refused = command("prompt", *TASKS, run, "--island", "9")
    assert refused.returncode == 2
    assert "--island" in refused.stderr
