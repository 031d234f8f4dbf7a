"""A whole run with a misaligned proxy: audits, reweighting, ablations, the picture, resume and replay."""

import json
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.north_star.alignment import note_at
from recevolve.population.archive.archive import Archive

from ..toy_runs import RECEVOLVE, TASKS, command, config_file, descendants, gone

EVERYTHING: dict[str, Any] = {
    "seeds": ["line"],
    "population": {"islands": 3, "size": 12, "births": 10, "migrate_every": 2},
    "north_star": {"every": 2, "slots": 3, "folds": 2, "audits": 2, "ablate_on": "north_star"},
    "proxy": {"rungs": 2, "reweight": True},
    "budget": {"generations": 9, "seconds": 600},
    "toy": {"bait": 2.0},
}


@pytest.fixture(scope="module")
def baited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose proxy pays for large answers."""
    folder = tmp_path_factory.mktemp("baited")
    done = command("run", config_file(folder, **EVERYTHING))
    assert done.returncode == 0, done.stderr
    assert "rank correlation of proxy and north star" in done.stdout
    assert "the proxy is re-weighted by" in done.stdout
    return folder / "run"


def facts(run: Path) -> Any:
    done = command("alignment", run, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_past_elites_taught_orders_later_ones_better_than_the_plain_proxy(baited: Path) -> None:
    taught = facts(baited)["taught"]
    assert taught["elites"] >= 10
    assert taught["reweighted"]["estimate"] > taught["plain"]["estimate"] + 0.3


def test_audits_are_measured_recorded_and_compared_at_every_round(baited: Path) -> None:
    told = facts(baited)
    assert told["audited"] == sum(len(one["audited"]) for one in told["rounds"])
    assert told["audited"] >= 4
    assert [one["generation"] for one in told["rounds"]] == [0, 2, 4, 6, 8]
    with Archive.read(baited / "archive.db") as archive:
        weights = note_at(archive, 8).weights
        assert weights is not None
        assert weights.share > 0.3
        population = archive.population(0, 9)
        best = archive.evaluations_of(population[0].program_id)[0]
        assert best.verdict.score is not None


def test_the_report_and_the_command_tell_of_the_same_elites_and_draw_them(
    baited: Path, tmp_path: Path
) -> None:
    report = json.loads(command("status", baited, "--json").stdout)["report"]
    told = facts(baited)
    assert report["alignment"]["elites"] == told["elites"]
    drawn = tmp_path / "gap.svg"
    done = command("alignment", baited, "-o", drawn)
    assert done.returncode == 0, done.stderr
    assert "False promotions" in done.stdout
    assert "Missed winners" in done.stdout
    assert drawn.read_bytes() == (baited / "alignment.svg").read_bytes()


def test_the_winners_edits_are_in_the_patch_and_the_winner_can_be_shown(baited: Path, tmp_path: Path) -> None:
    report = json.loads(command("status", baited, "--json").stdout)["report"]
    assert report["edits"]
    for arguments in (("show", baited, "best"), ("lineage", baited, "best")):
        assert command(*arguments).returncode == 0
    from recevolve.engine.export.patch import describe
    from recevolve.evaluators.kinds import registry

    from ..toy_runs import TOY

    with Archive.read(baited / "archive.db") as archive:
        provenance = describe(archive, registry.find("toy", [TOY]), report["winner"]["program"])
    kept = [edit for edit in report["edits"] if not edit["removed"]]
    assert [edit["edit"] for edit in provenance["edits"]] == [edit["edit"] for edit in kept]
    assert set(provenance["edits"][0]) == {"edit", "effect", "low", "high"}


def test_replay_rebuilds_all_of_it(baited: Path) -> None:
    done = command("replay", *TASKS, baited)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_killed_three_times_equals_an_uninterrupted_one(baited: Path, tmp_path: Path) -> None:
    path, instants = config_file(tmp_path, **EVERYTHING), random.Random(1)
    for _ in range(3):
        process = subprocess.Popen([*RECEVOLVE, "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.wait(instants.uniform(1.0, 4.0))
        except subprocess.TimeoutExpired:
            below = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            assert gone(below)
        process.communicate()
    done = command("run", path)
    assert done.returncode == 0, done.stderr
    with Archive.read(baited / "archive.db") as one, Archive.read(tmp_path / "run" / "archive.db") as other:
        assert one.compare(other) == []


def test_a_run_that_goes_on_after_its_report_is_rebuilt_too(tmp_path: Path) -> None:
    population = {"islands": 1, "size": 8, "births": 6}
    budget = {"generations": 3, "seconds": 600}
    path = config_file(tmp_path, **{**EVERYTHING, "population": population, "budget": budget})
    assert command("run", path).returncode == 0
    assert command("resume", *TASKS, tmp_path / "run", "--set", "budget.generations=5").returncode == 0
    done = command("replay", *TASKS, tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
