"""What only a GPU can say: left in a queue by a run without one, and taken in later, once, if it is ours."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import Config
from recevolve.engine.config.run_dir import archive_of, queue_of
from recevolve.engine.loop.events import Progress
from recevolve.engine.report import measurements as measured
from recevolve.engine.report import report
from recevolve.engine.runs import device_results
from recevolve.engine.runs.replay import replay
from recevolve.engine.runs.session import work
from recevolve.evaluators.data import DataError
from recevolve.evaluators.kernel.gpu_queue import GpuQueue, name_of
from recevolve.kernels.gpu_queue import queue
from recevolve.kernels.timing.measurements import Machine, Measurements, Ratio, Result, Seconds, Timing
from recevolve.population.archive.archive import Archive

from ..toy_runs import CONFIG, command, config

ESTIMATED = Path(__file__).parents[2] / "estimated"


def ingest(run: Path, file: Path) -> dict[str, Any]:
    return device_results.ingest(run, file, [ESTIMATED])


MACHINE = Machine(
    "H100", "9.0", "580", 3e12, {"torch": "2.11.0", "triton": "3.6.0"}, "measure", "2026-01-01T00:00:00Z"
)


def settings(run_dir: Path, **changes: Any) -> Config:
    return config(run_dir, kind="estimated", tasks=[str(ESTIMATED)], **changes)


class Lines(Progress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, event: str, /, **facts: Any) -> None:
        self.lines.append(str(facts.get("line", "")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Any]]:
    """(a finished run, what it said, its report)."""
    run, said = tmp_path_factory.mktemp("estimated") / "run", Lines()
    outcome = asyncio.run(work(settings(run), said))
    return run, said.lines, dict(outcome)


@pytest.fixture
def run(finished: tuple[Path, list[str], dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of the finished run."""
    import shutil

    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


def timing(seconds: float, against: float = 40e-6) -> Timing:
    spread = Seconds(seconds, 0.99 * seconds, 1.01 * seconds, 30)
    ratio = against / seconds
    return Timing(
        spread, spread, {"eager": Seconds(against, against, against, 30)},
        {"eager": Ratio(ratio, 0.98 * ratio, 1.02 * ratio, "faster")},
        {}, 1e-6, 10e-6, 10e-6 / seconds, "bytes", 0.5, 0, True, None, None,
    )  # fmt: skip


def queued(run: Path) -> set[str]:
    return GpuQueue().queued(queue_of(run))


def results(run: Path, **seconds: float | None) -> Measurements:
    """What a GPU says: seconds by program, None where the program was wrong."""
    entries = {entry.program: entry for entry in queue.read(queue_of(run))}
    rows = [
        Result(entries[program].id, program, "wrong", "outputs differ")
        if known is None
        else Result(entries[program].id, program, "measured", timings={"forward": timing(known)})
        for program, known in seconds.items()
    ]
    return Measurements(MACHINE, tuple(rows))


def written(folder: Path, results: Measurements) -> Path:
    path = folder / "result.json"
    results.save(path)
    return path


def test_the_run_says_that_it_estimates_and_leaves_its_elites_and_seeds(
    finished: tuple[Path, list[str], dict[str, Any]],
) -> None:
    run, said, outcome = finished
    assert any("not measured: this machine has no ruler" in line for line in said)
    assert any("gpu-queue" in line and "kernels measure" in line for line in said)
    assert "not measured" in outcome["estimate"]
    facts = report.status(run)
    assert "not measured" in facts["estimate"]
    assert said.count("WARNING: the log repeats itself") == 1
    assert facts["warnings"] == ["the log repeats itself"]
    assert facts["measured"] == []
    with Archive.read(archive_of(run)) as archive:
        met = {one.program_id for one in archive.promotions()}
    entries = queue.read(queue_of(run))
    assert met <= {entry.program for entry in entries} <= met | {outcome["winner"]["program"]}
    assert all(entry.id == name_of(entry) for entry in entries)


def test_a_run_that_goes_on_adds_to_its_queue_and_leaves_what_is_there(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (queue_of(run) / "entries").iterdir()}
    asyncio.run(work(settings(run, budget={"generations": 10, "seconds": 600}), Progress()))
    after = {path: path.stat().st_mtime_ns for path in (queue_of(run) / "entries").iterdir()}
    assert before.items() <= after.items()


def test_what_was_measured_outranks_what_was_estimated_and_replay_agrees(run: Path, tmp_path: Path) -> None:
    top = [row["program"] for row in report.top(run, 100) if not row["winner"]]
    programs = [program for program in top if program in queued(run)]
    slow, fast = programs[0], programs[-1]
    assert slow != fast
    answer = ingest(run, written(tmp_path, results(run, **{slow: 30e-6, fast: 20e-6})))
    assert (answer["taken"], answer["known"], answer["rejected"], answer["best"]) == (2, 0, [], fast)
    assert [row["program"] for row in report.top(run, 2)] == [fast, slow]
    with Archive.read(archive_of(run)) as archive:
        assert report.identify(archive, "best") == fast
        assert asyncio.run(replay(archive, Progress(), [ESTIMATED])) == []
    rows = report.status(run)["measured"]
    assert [row["program"] for row in rows] == [fast, slow]
    assert rows[0]["roofline_share"] == pytest.approx(0.5)
    errors = [abs(row["estimated_share"] / row["roofline_share"] - 1) for row in rows]
    assert f"the estimates of 2 programs were off by {sum(errors) / 2:.0%} (median)" in measured.trust(rows)
    assert rows[0]["ratio"] == pytest.approx(2.0)
    assert rows[0]["baseline"] == "eager"
    shown = command("status", run)
    assert shown.returncode == 0
    assert "20.0 µs" in shown.stdout
    assert "north star (estimate)" in shown.stdout


def test_a_difference_below_three_per_cent_is_a_tie(run: Path, tmp_path: Path) -> None:
    top = [row["program"] for row in report.top(run, 100) if not row["winner"]]
    programs = [program for program in top if program in queued(run)]
    first, second = programs[:2]
    ingest(run, written(tmp_path, results(run, **{first: 20.4e-6, second: 20e-6})))
    assert report.top(run, 1)[0]["program"] == first
    ingest(run, written(tmp_path, results(run, **{first: 20.8e-6, second: 20e-6})))
    assert report.top(run, 1)[0]["program"] == second


def test_a_program_that_is_wrong_on_the_gpu_is_no_elite(run: Path, tmp_path: Path) -> None:
    best = next(row["program"] for row in report.top(run, 100) if row["program"] in queued(run))
    ingest(run, written(tmp_path, results(run, **{best: None})))
    assert best not in [row["program"] for row in report.top(run, 100)]
    (row,) = report.status(run)["measured"]
    assert (row["verdict"], row["reason"]) == ("wrong", "outputs differ")


def test_the_same_file_again_changes_nothing(run: Path, tmp_path: Path) -> None:
    program = min(queued(run))
    file = written(tmp_path, results(run, **{program: 20e-6}))
    assert ingest(run, file)["taken"] == 1
    again = ingest(run, file)
    assert (again["taken"], again["known"]) == (0, 1)
    with Archive.read(archive_of(run)) as archive:
        assert len(archive.measurements()) == 1


def test_results_of_what_is_not_in_the_run_are_refused_and_the_others_taken(
    run: Path, tmp_path: Path
) -> None:
    programs = sorted(queued(run))
    measured = results(run, **dict.fromkeys(programs[:3], 2e-05))
    first, second, third = measured.results
    foreign = Result("ffff-0", "ffff", "measured", timings=first.timings)
    swapped = Result(second.id, programs[0], "measured", timings=second.timings)
    path = queue_of(run) / "entries" / f"{third.id}.json"
    changed = json.loads(path.read_text())
    changed["passes"]["forward"]["steps"][0]["grid"] = [2, 1, 1]
    path.write_text(json.dumps(changed))
    file = written(tmp_path, Measurements(MACHINE, (first, foreign, swapped, third)))
    answer = ingest(run, file)
    assert answer["taken"] == 1
    reasons = {one["entry"]: one["reason"] for one in answer["rejected"]}
    assert "no entry ffff-0" in reasons["ffff-0"]
    assert f"of program {programs[1]}" in reasons[second.id]
    assert "not those that the run queued" in reasons[third.id]
    done = command("kernels", "ingest", run, file, "--tasks", ESTIMATED)
    assert done.returncode == 5
    assert "refused ffff-0" in done.stdout


def test_a_changed_binary_is_refused(run: Path, tmp_path: Path) -> None:
    program = min(queued(run))
    file = written(tmp_path, results(run, **{program: 20e-6}))
    for path in (queue_of(run) / "binaries").iterdir():
        path.write_bytes(b"other")
    answer = ingest(run, file)
    assert answer["taken"] == 0
    assert "is not what its digest says" in answer["rejected"][0]["reason"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 7}', '{"format": 1}'])
def test_a_file_of_another_form_is_an_error_with_advice(run: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "result.json"
    file.write_text(text)
    with pytest.raises(DataError, match="kernels measure"):
        ingest(run, file)


def test_measuring_needs_a_queue(tmp_path: Path) -> None:
    done = command("kernels", "measure", tmp_path)
    assert done.returncode == 2
    assert "gpu-queue" in done.stderr


def test_what_is_taken_in_keeps_the_whole_result(run: Path, tmp_path: Path) -> None:
    program = min(queued(run))
    told = results(run, **{program: 20e-6})
    ingest(run, written(tmp_path, told))
    with Archive.read(archive_of(run)) as archive:
        (row,) = archive.measurements()
    assert row.device == "H100"
    assert row.versions == MACHINE.versions
    assert row.facts["timings"]["forward"]["cold"] == asdict(told.results[0].timings["forward"].cold)


def test_a_kind_that_measures_leaves_no_queue(tmp_path: Path) -> None:
    asyncio.run(work(config(tmp_path / "run", budget={"generations": 1, "seconds": 600}), Progress()))
    assert not queue_of(tmp_path / "run").exists()
    assert "estimate" not in CONFIG
