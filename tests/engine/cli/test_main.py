"""The commands on one finished run, for a person and as JSON; and the display on a terminal."""

import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from recevolve.engine.config.run_dir import REPORT
from recevolve.engine.loop.events import Display, JsonLines, Lines
from recevolve.population.archive.archive import Archive

from ..toy_runs import TASKS, command, config_file


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    done = command("run", config_file(folder, budget={"generations": 3}), "--json")
    assert done.returncode == 0, done.stderr
    names = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert names[:3] == ["note", "forecast", "started"]
    assert names[-2:] == ["ended", "report"]
    assert names.count("generation") == 3 * 4
    assert {"promoted", "concluding"} <= set(names)
    return folder / "run"


def answer(*arguments: str | Path) -> Any:
    done = command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_status_top_show_and_lineage_tell_the_same_story(finished: Path) -> None:
    status = answer("status", finished)
    assert status["ending"] == "generations: 3 done"
    assert set(status["generations"].values()) == {3}
    assert sum(status["verdicts"].values()) == status["candidates"] == 3 * (1 + 3 * 6)
    assert 0 < status["answered_without_evaluation"] < 1
    best = status["report"]["winner"]["program"]
    top = answer("top", finished, "-n", "5")
    assert len(top) == 5
    assert [row["program"] for row in top if row["winner"]] == [top[0]["program"]] == [best]
    assert status["best"] == top[:3]
    shown = answer("show", finished, "best")
    assert shown["program"] == best
    assert answer("show", finished, best[:6]) == shown
    assert shown["claim"]["program"] == best
    lineage = answer("lineage", finished, "best")
    assert lineage[0]["program"] == best
    assert lineage[-1]["made_by"] == "seed flat"
    production = answer("show", finished, lineage[-1]["program"])
    assert {one["timings"]["tier"] for one in production["north_star"]} <= {1, 2}
    assert len(production["north_star"]) == 3 + 1, "three folds and the guardrails"
    diff = answer("diff", finished, lineage[-1]["program"], best)["diff"]
    assert any(line.startswith("+") for line in diff)
    assert not any('"""' in line for line in diff), "a docstring is no difference"
    assert answer("diff", finished, best, best)["diff"] == []


@pytest.mark.parametrize(
    "arguments", [("status",), ("top",), ("show", "best"), ("lineage", "best"), ("replay", *TASKS)]
)
def test_every_reading_command_prints_for_a_person(finished: Path, arguments: tuple[str, ...]) -> None:
    name, *rest = arguments
    done = command(name, finished, *rest)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not done.stderr


def test_an_unknown_program_and_an_ambiguous_one_are_said(finished: Path) -> None:
    for asked, word in (("zzzz", "no program"), ("", "several")):
        done = command("show", finished, asked)
        assert done.returncode == 2
        assert word in done.stderr


def test_running_a_finished_run_again_changes_nothing(finished: Path) -> None:
    before = answer("status", finished)
    done = command("run", finished.parent / "toy.toml")
    assert done.returncode == 0
    assert "{" not in done.stdout, "a pipe without --json is read by a person"
    assert "\ntoy on a hidden curve, 64 points, isolation tier " in f"\n{done.stdout}"
    assert before["decision"]["line"] in " ".join(done.stdout.split())
    after = answer("status", finished)
    assert after["candidates"] == before["candidates"]
    assert after["report"] == before["report"]


def test_a_copied_run_goes_on_with_a_larger_budget_and_a_wider_claim(finished: Path, tmp_path: Path) -> None:
    before = answer("status", finished)["report"]
    copy = shutil.copytree(finished, tmp_path / "copy")
    done = command("resume", *TASKS, copy, "--set", "budget.generations=5")
    assert done.returncode == 0, done.stderr
    after = answer("status", copy)
    told = [line for line in done.stdout.splitlines() if line.startswith("generation ")]
    assert [line.partition(":")[0] for line in told] == ["generation 4", "generation 5"]
    assert f"\n{after['candidates']:,} candidates, " in done.stdout, (
        "counted with those of the session before"
    )
    assert set(after["generations"].values()) == {5}
    assert set(before["claimed"]) <= set(after["report"]["claimed"])
    assert after["report"]["confidence"] == pytest.approx(1 - 0.05 / len(after["report"]["claimed"]))
    assert answer("replay", *TASKS, copy)["equal"]
    assert answer("status", finished)["report"] == before


def test_export_writes_the_program_once_and_never_over_something(finished: Path, tmp_path: Path) -> None:
    facts = answer("export", *TASKS, finished, "best", "-o", tmp_path / "patch")
    assert {path.name for path in (tmp_path / "patch").iterdir()} == set(facts["files"])
    again = command("export", *TASKS, finished, "best", "-o", tmp_path / "patch")
    assert again.returncode == 5
    assert "empty" in again.stderr


def decided(finished: Path, folder: Path, **decision: Any) -> Path:
    """A copy of the run whose report decided so."""
    copy = folder / "decided"
    shutil.copytree(finished, copy)
    with Archive.create_or_open(copy / "archive.db") as archive:
        report = archive.conclusion(REPORT) or {}
        archive.conclude(REPORT, {**report, "decision": {**report["decision"], **decision}})
    return copy


def test_export_refuses_what_the_run_did_not_decide_for_and_says_what_to_export(
    finished: Path, tmp_path: Path
) -> None:
    refused = command("export", *TASKS, finished, "line", "-o", tmp_path / "patch")
    assert refused.returncode == 5
    winner = answer("status", finished)["decision"]["program"]
    assert f"Export `{winner}` instead" in refused.stderr
    assert not (tmp_path / "patch").exists()
    switched = decided(finished, tmp_path, decision="switch", program="line", line="switch to line: better")
    for asked in ("best", winner):
        refused = command("export", *TASKS, switched, asked, "-o", tmp_path / "patch")
        assert refused.returncode == 5
        assert "switch to line: better. Export `line` instead" in refused.stderr
    answer("export", *TASKS, switched, "line", "-o", tmp_path / "patch")
    assert (tmp_path / "patch" / "line.py").exists(), "a seed goes by its own name"


@pytest.mark.parametrize("decision", ["keep", "undecided"])
def test_where_production_stays_only_anyway_exports(finished: Path, tmp_path: Path, decision: str) -> None:
    run = decided(finished, tmp_path, decision=decision, program=None, line=f"{decision}: nothing")
    refused = command("export", *TASKS, run, "best", "-o", tmp_path / "patch")
    assert refused.returncode == 5
    assert f"the run decided for no other program: {decision}: nothing" in refused.stderr
    assert "--anyway" in refused.stderr
    answer("export", *TASKS, run, "best", "-o", tmp_path / "patch", "--anyway")
    assert "decided for no other program" in (tmp_path / "patch" / "README.md").read_text()


def test_a_run_without_a_report_has_nothing_to_export(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    with sqlite3.connect(copy / "archive.db") as connection:
        connection.execute("DELETE FROM conclusions WHERE name = ?", (REPORT,))
    connection.close()
    refused = command("export", *TASKS, copy, "best", "-o", tmp_path / "patch")
    assert refused.returncode == 5
    assert "no decision yet" in refused.stderr
    assert answer("status", copy)["decision"] is None


def test_a_seed_is_shown_and_compared_by_its_name(finished: Path) -> None:
    assert answer("show", finished, "flat")["source"].startswith('"""')
    assert answer("diff", finished, "flat", "best")["diff"]
    assert command("show", finished, "line").returncode == 2, "a seed that only the kind's own code holds"


def test_check_tells_good_from_bad(tmp_path: Path) -> None:
    toy = Path(__file__).parents[2] / "toy"
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text('CONSTANTS = {"a": 1.0}\n\n\ndef f(x, c):\n    return c["a"] * x\n')
    bad.write_text('CONSTANTS = {"a": 1.0}\n\n\ndef f(x, c):\n    return open(x)\n')
    assert command("check", good, "--kind", "toy", "--tasks", toy).returncode == 0
    done = command("check", bad, "--kind", "toy", "--tasks", toy)
    assert done.returncode == 5
    assert "line 5" in done.stdout
    assert "open" in done.stdout


STARTED: dict[str, Any] = {
    "kind": "toy",
    "data": "a curve",
    "tier": 1,
    "limits": {"seconds": 500, "generations": 10, "candidates": 1_000},
    "used": {"seconds": 0.0, "generations": {0: -1}, "verdicts": {}, "duplicates": 0},
}
BORN: dict[str, Any] = {
    "island": 0,
    "generation": 2,
    "best": "-0.5 abc",
    "score": -0.5,
    "programs": 8,
    "cells": 3,
    "verdicts": {"scored": 3, "invalid": 1},
    "duplicates": 1,
}


def test_the_display_shows_generation_best_speed_shares_and_time_left() -> None:
    screen = io.StringIO()
    seconds = iter(range(1000))
    display = Display(Console(file=screen, force_terminal=True, width=120), lambda: next(seconds))
    display.say("started", **STARTED)
    display.say("generation", **BORN)
    display.say("promoted", line="2 promoted, best abc")
    display.say("ended", line="No gain beyond noise")
    display.close()
    text = screen.getvalue()
    for words in (
        "toy on a curve",
        "-0.5 abc",
        "scored 75%",
        "duplicates 25%",
        "a second",
        "2 promoted",
        "left",
        "No gain beyond noise",
    ):
        assert words in text, words


def lines_after(limits: dict[str, float], used: dict[str, Any], seconds: float) -> list[str]:
    """What a pipe gets of a generation that is committed so many seconds after the start."""
    stream, now = io.StringIO(), [0.0]
    lines = Lines(stream, lambda: now[0])
    lines.say("started", **{**STARTED, "limits": limits, "used": used})
    now[0] = seconds
    lines.say("generation", **BORN)
    lines.close()
    return stream.getvalue().splitlines()


def test_the_time_left_is_that_of_the_limit_which_is_reached_first() -> None:
    for limits, expected in (
        ({"seconds": 25, "generations": 10, "candidates": 100}, "about 15 s left (10 of 25 seconds)"),
        ({"seconds": 900, "generations": 10, "candidates": 100}, "about 40 s left (2 of 10 generations)"),
        ({"seconds": 900, "generations": 100, "candidates": 16}, "about 30 s left (4 of 16 candidates)"),
    ):
        _, generation, _ = lines_after(limits, STARTED["used"], 10.0)
        assert generation.startswith("generation 2: best -0.5 abc; 10 s searched, ")
        assert expected in generation


def test_counters_go_on_from_what_earlier_sessions_did() -> None:
    used = {"seconds": 90.0, "generations": {0: 1}, "verdicts": {"scored": 12}, "duplicates": 3}
    _, generation, counts = lines_after(STARTED["limits"], used, 10.0)
    assert "100 s searched" in generation
    assert counts == "16 candidates, 0.2 a second: scored 94%, invalid 6%; duplicates 25%"


def test_a_generation_is_a_line_once_every_island_has_it() -> None:
    stream = io.StringIO()
    lines = Lines(stream, lambda: 1.0)
    lines.say("started", **{**STARTED, "used": {**STARTED["used"], "generations": {0: -1, 1: -1}}})
    lines.say("generation", **BORN)
    assert "generation" not in stream.getvalue()
    lines.say("generation", **{**BORN, "island": 1, "generation": 0, "best": "-0.2 def", "score": -0.2})
    assert "generation 0: best -0.2 def;" in stream.getvalue()


def test_json_lines_are_one_object_each() -> None:
    stream = io.StringIO()
    progress = JsonLines(stream, clock=lambda: 1.0)
    progress.say("note", line="two\nlines")
    assert json.loads(stream.getvalue()) == {"event": "note", "time": 1.0, "line": "two\nlines"}


def test_plain_lines_tell_every_tenth_training_of_the_judgement_and_the_last() -> None:
    stream = io.StringIO()
    lines = Lines(stream, lambda: 1.0)
    for done in range(1, 26):
        lines.say("concluding", line=f"{done} of 25 trainings", done=done, of=25)
    assert stream.getvalue().splitlines() == [f"{done} of 25 trainings" for done in (10, 20, 25)]
