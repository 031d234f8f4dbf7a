"""Prompt variants: admitted on a paired replay alone, for the very templates that were compared."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.loop.events import Silent
from recevolve.engine.propose.llm.admission import ADMISSION, require_admitted
from recevolve.engine.runs.prompt_trial import Pair, admit, judged
from recevolve.engine.runs.replay import replay
from recevolve.engine.runs.session import work
from recevolve.population.archive.archive import Archive
from recevolve.population.values.origin import NOTHING

from ...server.scripted import Server
from ..toy_runs import config


def pair(ours: float, variant: float) -> Pair:
    return Pair("0/1/0", "m edits", ours, variant, "proposed", NOTHING)


@pytest.mark.parametrize(
    ("pairs", "admitted"),
    [
        ([(0.0, 0.1), (0.1, 0.1)] * 4, True),
        ([(0.2, 0.1), (0.1, 0.1)] * 4, False),
        ([(0.0, 0.0)] * 8, False),
        ([(0.1, 0.1)] * 8, True),
    ],
)
def test_only_a_variant_that_does_no_worse_and_something_is_admitted(
    pairs: list[tuple[float, float]], admitted: bool
) -> None:
    facts = judged([pair(*one) for one in pairs])
    assert facts["admitted"] is admitted
    assert facts["pairs"] == 8


def test_an_admission_belongs_to_its_templates_and_kind(tmp_path: Path) -> None:
    def note(**facts: Any) -> None:
        whole = {"admitted": True, "kind": "toy", "templates": "abc", **facts}
        (tmp_path / ADMISSION).write_text(json.dumps(whole))

    with pytest.raises(ConfigError, match="never admitted"):
        require_admitted(tmp_path, "toy", "abc")
    note()
    require_admitted(tmp_path, "toy", "abc")
    for other in ({"admitted": False}, {"kind": "optimizer"}, {"templates": "abd"}):
        note(**other)
        with pytest.raises(ConfigError, match="recevolve admit"):
            require_admitted(tmp_path, "toy", "abc")
    (tmp_path / ADMISSION).write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        require_admitted(tmp_path, "toy", "abc")


def test_a_variant_is_compared_on_the_runs_own_requests_and_then_competes(tmp_path: Path) -> None:
    folder = tmp_path / "bold"
    folder.mkdir()
    (folder / "repair.md").write_text("It does not pass: {{ problem | line }}\nAnswer once more.\n")
    server, said = Server(), list[str]()
    tables: dict[str, Any] = {
        "population": {"islands": 2, "size": 6, "births": 6},
        "north_star": {"every": 2, "slots": 1, "folds": 2},
        "budget": {"generations": 2, "seconds": 600},
    }

    async def story() -> dict[str, Any]:
        base = await server.start()
        model = {"name": "openai/scripted", "api_base": base, "forms": ["edits"]}
        propose = {"models": [model], "mixture": {"models": 1.0}, "lessons_every": 0}
        try:
            first = config(tmp_path / "first", **tables, propose=propose)
            await work(first, Silent(), environ={})
            facts = await admit(tmp_path / "first", folder, 8, {}, said.append)
            asked = sum(server.asked.values())
            assert await admit(tmp_path / "first", folder, 8, {}, said.append) == facts
            assert sum(server.asked.values()) == asked, "the same replay is paid once"
            (folder / ADMISSION).write_text(json.dumps({**facts, "admitted": True}))
            competing = {**propose, "variants": [str(folder)]}
            await work(config(tmp_path / "second", **tables, propose=competing), Silent(), environ={})
        finally:
            await server.stop()
        return facts

    facts = asyncio.run(story())
    assert facts["pairs"] == 8
    assert len(said) == 16
    assert facts["kind"] == "toy"
    with Archive.read(tmp_path / "second" / "archive.db") as archive:
        arms = {birth.origin.proposer for island in (0, 1) for birth in archive.evaluations(island, 2)}
        assert arms == {"openai/scripted edits", "openai/scripted edits @bold"}
        assert asyncio.run(replay(archive, Silent())) == []


def test_a_run_without_models_has_nothing_to_compare(tmp_path: Path) -> None:
    tables: dict[str, Any] = {
        "population": {"islands": 1, "size": 4, "births": 2},
        "budget": {"generations": 1, "seconds": 600},
    }
    asyncio.run(work(config(tmp_path, **tables), Silent(), environ={}))
    with pytest.raises(ConfigError, match="at least 8 times"):
        asyncio.run(admit(tmp_path, tmp_path, 8, {}, print))
