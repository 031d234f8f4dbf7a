"""Prompt variants: each folder of templates competes with ours, and a replay takes the same way."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.loop.events import Progress
from recevolve.engine.runs.replay import replay
from recevolve.engine.runs.session import work
from recevolve.population.archive.archive import Archive

from ....server.scripted import Server, text_of
from ...toy_runs import TOY, config

TABLES: dict[str, Any] = {
    "population": {"islands": 2, "size": 6, "births": 6},
    "north_star": {"every": 2, "slots": 1, "folds": 2},
    "budget": {"generations": 2, "seconds": 600},
}


def run(tmp_path: Path, folder: Path, server: Server) -> Path:
    """The archive of a run whose model is asked with our templates and with those of the folder."""

    async def story() -> None:
        base = await server.start()
        model = {"name": "openai/scripted", "api_base": base, "forms": ["edits"]}
        propose = {
            "models": [model],
            "mixture": {"models": 1.0},
            "lessons_every": 0,
            "variants": [str(folder)],
        }
        try:
            await work(config(tmp_path / "run", **TABLES, propose=propose), Progress(), environ={})
        finally:
            await server.stop()

    asyncio.run(story())
    return tmp_path / "run" / "archive.db"


def test_a_variant_competes_from_the_first_generation_on(tmp_path: Path) -> None:
    folder = tmp_path / "bold"
    (folder / "personas").mkdir(parents=True)
    (folder / "personas" / "toy.md").write_text("You are bold.\n")
    server = Server()
    with Archive.read(run(tmp_path, folder, server)) as archive:
        asked = {one.origin.proposer for island in (0, 1) for one in archive.evaluations(island, 1)}
        assert asked == {"openai/scripted edits", "openai/scripted edits @bold"}
        bold = ["You are bold." in text_of(body["messages"][0]) for body in server.bodies]
        assert any(bold)
        assert not all(bold)
        assert asyncio.run(replay(archive, Progress(), [TOY])) == []


def test_a_variant_that_cannot_be_rendered_stops_the_run_at_its_start(tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / "repair.md").write_text("{{ nothing_of_the_kind }}\n")
    with pytest.raises(ConfigError, match="nothing_of_the_kind"):
        run(tmp_path, folder, Server())
