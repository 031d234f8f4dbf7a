"""Who enters experiments: elites without what does nothing, each once, and none that repeats another."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.experiments.admission import newcomers
from recevolve.engine.experiments.changes import PendingChanges
from recevolve.engine.experiments.round import ExperimentRounds
from recevolve.engine.export.patch import describe
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.north_star.ablation import SAME_AS, of_experiments, of_rounds
from recevolve.engine.north_star.promotion import banned
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Promotion
from recevolve.population.values.verdict import Status, Verdict

from ..north_star.test_ablation import OLD, WINNER, Curve, Once
from ..platform import LIVE, both, day, written
from ..toy_runs import TASKS, TOY, command, config, config_file
from .test_round import PARTS


@pytest.fixture
def search(tmp_path: Path) -> Iterator[SearchContext]:
    """A search with production alone, and slots for two experiments among simulated users."""
    seed = tmp_path / "seed.py"
    seed.write_text(OLD)
    with Archive.create_or_open(tmp_path / "archive.db") as archive:
        yield begun(archive, seed)


def begun(archive: Archive, seed: Path, **north_star: Any) -> SearchContext:
    chosen = config(
        seed.parent,
        seeds=[str(seed)],
        population={"islands": 1, "size": 8, "births": 1, "migrate_every": 100},
        proxy={"rungs": 2, "floor": 4},
        north_star={"every": 1, "slots": 2, "folds": 3, **north_star},
        online={"backend": "simulator", "gate": False},
    )
    judge, task = Curve(), registry.find("toy", [TOY])
    terms = asyncio.run(judge.terms())
    archive.begin({"config": chosen.model_dump(mode="json"), "terms": terms.__dict__}, 0, "test")
    return SearchContext(
        chosen, task, terms, seeds_for(chosen, task), archive, archive.ledger(), Once(WINNER), judge
    )


def bear(search: SearchContext, number: int, line: str) -> str:
    """Commits a generation that bore the line; its id."""
    population = search.archive.population(0, number - 1) if number else ()
    made = asyncio.run(generation(replace(search, proposer=Once(line)), 0, number, population))
    search.archive.commit_generation(0, number, population=made.population, evaluations=made.evaluations)
    return made.evaluations[0].program.id


def test_a_simplified_elite_enters_once_and_whoever_repeats_it_never(search: SearchContext) -> None:
    bear(search, 0, WINNER)
    first = bear(search, 1, WINNER)
    second = bear(search, 2, WINNER.replace("1e-9", "2e-6").replace("dead", "idle"))
    asyncio.run(ExperimentRounds().hold(search, 2, Progress()))
    book = search.archive.experiments()
    (one,) = book.all()
    notes = of_rounds(search.archive)
    assert notes.keys() == {first, second}
    (cut_from,) = [name for name in notes if SAME_AS not in notes[name]]
    (repeats,) = notes.keys() - {cut_from}
    assert notes[repeats][SAME_AS] == one.program_id
    assert not notes[repeats]["simplified"]
    assert of_experiments(search.archive) == {one.program_id: notes[cut_from]}
    assert one.program_id not in notes
    assert "without what does nothing" in next(step.reason for step in book.transitions())
    assert "tiny" not in search.archive.program(one.program_id).source
    assert newcomers(search, PendingChanges.of(book, search.config.online), 3) == []
    asyncio.run(ExperimentRounds().hold(search, 3, Progress()))
    assert len(book.all()) == 1
    caught = Verdict(Status.CHEATED, reason="it read the answers")
    search.archive.commit_round(0, [Promotion(3, 9, one.program_id, "selection", 2, caught)])
    assert banned(search.archive, 3) == {one.program_id, cut_from}, "its elite must leave the islands too"


def test_without_ablates_an_elite_enters_as_it_is_and_nothing_is_asked_for_them(tmp_path: Path) -> None:
    seed = tmp_path / "seed.py"
    seed.write_text(OLD)
    with Archive.create_or_open(tmp_path / "archive.db") as archive:
        search = begun(archive, seed, ablations=0)
        bear(search, 0, WINNER)
        elite = bear(search, 1, WINNER)
        asyncio.run(ExperimentRounds().hold(search, 1, Progress()))
        assert [one.program_id for one in archive.experiments().all()] == [elite]
        assert not of_rounds(archive)
        assert isinstance(search.executor, Curve)
        assert {call.source for call in search.executor.calls if call.stage == "north_star"} == {
            call.source for call in search.executor.calls if call.stage == "guard"
        }


def test_a_live_experiment_is_queued_launched_and_exported_without_what_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(PARTS)
    path = config_file(tmp_path, **LIVE, seeds=[str(tmp_path / "parts.py")], seed=1)
    assert command("run", path, "--json").returncode == 0
    run = tmp_path / "run"
    with Archive.read(run / "archive.db") as archive:
        causes = of_experiments(archive)
        name = next(one.id for one in archive.experiments().all() if causes[one.program_id]["simplified"])
        program = next(one.program_id for one in archive.experiments().all() if one.id == name)
    assert command("online", "queue", *TASKS, run, name, "-o", tmp_path / "queue").returncode == 0
    manifest = json.loads((tmp_path / "queue" / name / "manifest.json").read_text())
    assert manifest["arms"]["treatment"]["program"] == program
    rows = [row for number in (1, 2) for row in both(name, day(number), effect=2.0)]
    assert command("online", "ingest", run, written(tmp_path / "rows.csv", rows)).returncode == 0
    done = command("online", "launch", *TASKS, run, name, "--approve", "--json")
    assert done.returncode == 0, done.stderr
    (module,) = Path(json.loads(done.stdout)["export"]).glob("evolved_*.py")
    assert module.stem == f"evolved_{program[:8]}"
    report = json.loads(command("resume", *TASKS, run, "--json").stdout.splitlines()[-1])
    assert report["winner"]["program"] == program
    assert report["edits"] == causes[program]["edits"]
    with Archive.read(run / "archive.db") as archive:
        facts = describe(archive, registry.find("toy", [TOY]), program)
    assert len(facts["edits"]) == sum(not edit["removed"] for edit in report["edits"])
    shutil.rmtree(tmp_path / "queue")
    assert command("replay", *TASKS, run).returncode == 0
