"""The example configs are read, and the one with a model runs with whatever model there is."""

import json
from pathlib import Path

import pytest

from recevolve.engine.config.config import read
from recevolve.population.archive.archive import Archive

from ...server.scripted import Server
from ..propose.llm.test_model_runs import serving
from ..toy_runs import command

EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL = (
    "data.source=synthetic",
    "data.rows=8000",
    "population.islands=1",
    "population.births=4",
    "budget.generations=2",
    "budget.seconds=6000",
    "north_star.every=2",
    "north_star.slots=1",
    "north_star.folds=2",
    "optimizer.transfer=false",
    "propose.mixture={models = 1.0}",
)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_is_a_config(path: Path) -> None:
    config = read(path)
    assert config.run_dir.name == path.stem
    needs_no_network = config.data.source in ("simulated", "none") or config.data.fallback == "synthetic"
    assert needs_no_network, "an example runs without a network"


@pytest.mark.slow
def test_the_example_with_a_model_runs_with_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [part for change in (*SMALL, f"run_dir={tmp_path / 'run'}") for part in ("--set", change)]
    server = Server()
    with serving(server) as base:
        monkeypatch.setenv("RECEVOLVE_MODEL", "openai/scripted")
        monkeypatch.setenv("RECEVOLVE_API_BASE", base)
        done = command("run", EXAMPLES / "llm.toml", *changes)
        assert done.returncode == 0, done.stderr
        monkeypatch.delenv("RECEVOLVE_MODEL")
        monkeypatch.delenv("RECEVOLVE_API_BASE")
        again = command("run", EXAMPLES / "llm.toml", *changes)
    assert again.returncode == 0, again.stderr
    assert server.count["calls"] >= 2 * 4
    with Archive.read(tmp_path / "run" / "archive.db") as archive:
        made = {one.program.made_by for one in archive.evaluations(0, 1)}
        begun = archive.run()
    assert made & {"openai/scripted edits", "openai/scripted whole"}
    assert begun is not None
    assert [one["name"] for one in begun.config["config"]["propose"]["models"]] == ["openai/scripted"]
    status = json.loads(command("status", tmp_path / "run", "--json").stdout)
    asked = {row["proposer"]: row["asked"] for row in status["proposers"]}
    assert sum(asked.values()) == 2 * 4
