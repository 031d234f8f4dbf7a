"""`recevolve simulator ...` for a person and as JSON, on logs that are right and wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from recevolve.evaluators.simulator import Parameters, click_times_watch, make_users, make_world, scenario
from recevolve.evaluators.simulator.behaviour import behave

from ..toy_runs import command

SMALL = ("--users", "300", "--days", "14", "--steps", "1")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What 400 simulated people did, as a user would bring it."""
    world = make_world(scenario("aligned"), 5)
    did = behave(world, make_users(world, 400, 5), click_times_watch, 5, days=14)
    assert did.clicked is not None
    assert did.watched is not None
    assert did.liked is not None
    liked = np.random.default_rng(0).random(len(did.liked)) < did.liked
    path = tmp_path_factory.mktemp("logs") / "mine.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["user", "time", "clicked", "watched", "liked"])
        out.writerows(
            zip(
                did.user,
                did.day * 86_400 + 60,
                did.clicked.astype(int),
                did.watched.round(2),
                liked.astype(int),
                strict=True,
            )
        )
    return path


def test_a_log_is_calibrated_to_twice_alike_and_compared(log: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "one.toml", tmp_path / "two.toml"]
    as_json, for_people = (
        command("simulator", "calibrate", log, "-o", path, *SMALL, *extra)
        for path, extra in zip(outputs, (["--json"], []), strict=True)
    )
    assert as_json.returncode == for_people.returncode == 0, as_json.stderr
    assert outputs[0].read_text() == outputs[1].read_text()
    facts = json.loads(as_json.stdout)
    parameters = Parameters.read(outputs[0])
    assert facts["parameters"]["click_base"] == parameters.click_base != Parameters().click_base
    assert "hate_base" in facts["kept"]
    assert "like_base" in facts["fitted"]
    unknown = {row["figure"] for row in facts["figures"] if row["real"] is None}
    assert unknown <= {"hate_rate", "clicked_of_hated", "long_of_hated", "auc_watched", "auc_clicked"}
    assert "the log does not tell of" in for_people.stdout
    assert "two.toml written" in " ".join(for_people.stdout.split())
    shown = command("simulator", "compare", log, "--parameters", outputs[0], "--users", "300")
    assert shown.returncode == 0, shown.stderr
    assert "mean squared distance" in shown.stdout


def test_scenarios_and_the_published_figures_are_shown() -> None:
    listed = command("simulator", "scenarios", "--json")
    assert [row["name"] for row in json.loads(listed.stdout)] == ["aligned", "clickbait", "drifting"]
    assert "clickbait" in command("simulator", "scenarios").stdout
    done = command("simulator", "compare", "--users", "300", "--json")
    assert json.loads(done.stdout)["log"] == "KuaiRand, as published"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("calibrate", "bad.csv", "-o", "new.toml"), 4, "has no column 'watched'"),
        (("calibrate", "absent.csv", "-o", "new.toml"), 4, "there is no file"),
        (("calibrate", "synthetic", "-o", "new.toml"), 4, "neither a file ending in"),
        (("calibrate", "bad.csv", "-o", "bad.csv"), 2, "exists"),
        (("calibrate", "bad.csv"), 2, "--output"),
        (("compare", "--parameters", "none.toml"), 4, "parameters cannot be read"),
        (("compare", "--parameters", "bad.csv"), 4, "not parameters of the simulator"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "bad.csv").write_text("user,time,clicked\n1,0,1\n")
    done = command("simulator", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "new.toml").exists()
    assert "Traceback" not in done.stderr
