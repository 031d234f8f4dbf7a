"""The contract of a kind, run over every kind that the registry knows."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from recevolve.evaluators.kinds.registry import find, kinds
from recevolve.evaluators.kinds.task import Task, Winner
from recevolve.evaluators.language.canonical import canonical, syntax_hash
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Sandbox
from recevolve.population.values.verdict import Status

from .evaluators import cheats

PROVENANCE = {
    "decision": "launch it: better by 0.002",
    "run": "runs/example",
    "gain": {"log loss": -0.002, "interval": [-0.003, -0.001]},
    "explanation": 'a "quoted" \\ text\nover """two""" lines',
    "versions": {"torch": "2"},
}


@pytest.fixture(params=kinds())
def task(request: pytest.FixtureRequest) -> Task:
    return find(request.param)


def test_names_and_texts_are_there(task: Task) -> None:
    assert task.summary
    assert len(task.seeds) >= 2
    assert set(task.guardrails) <= set(task.metrics)


JUDGED = ("gate", "estimate", "guard", "duplicate", "drawn lengths", "companions", "forms of rows")
"""Layers that judge what a program computes, and not how it is written."""


def test_contract_names_all_that_a_program_must_define(task: Task) -> None:
    for name, parameters in task.rules.functions.items():
        assert f"{name}({', '.join(parameters)})" in task.contract
    for name in task.rules.constants:
        assert name in task.contract


def test_seeds_obey_the_rules(task: Task) -> None:
    assert {name: check(source, task.rules) for name, source in task.seeds.items()} == dict.fromkeys(
        task.seeds, ()
    )


def test_seeds_name_their_source(task: Task) -> None:
    for name, source in task.seeds.items():
        words = ast.get_docstring(ast.parse(source)) or ""
        assert any(character.isdigit() for character in words), f"{name} should name a paper with its year"


def test_canonical_seeds_are_stable_obey_the_rules_and_differ(task: Task) -> None:
    plain = {name: canonical(source) for name, source in task.seeds.items()}
    for name, text in plain.items():
        assert canonical(text) == text
        assert check(text, task.rules) == ()
        assert task.describe(text) == task.describe(task.seeds[name])
    assert len({syntax_hash(text) for text in plain.values()}) == len(plain)


def test_cells_are_short_words(task: Task) -> None:
    cells = {task.describe(source) for source in task.seeds.values()}
    assert len({len(cell) for cell in cells}) == 1
    assert all(0 < len(word) <= 20 for cell in cells for word in cell)
    assert len(cells) > 1


@pytest.mark.parametrize("form", [canonical, pytest.param(str, marks=pytest.mark.slow)])
def test_seeds_have_every_property_in_canonical_form_and_in_their_own_words(
    task: Task, form: Callable[[str], str]
) -> None:
    with Sandbox(task.preload) as sandbox:
        for name, source in task.seeds.items():
            verdict = task.examine(form(source), sandbox)
            assert verdict.status is Status.SCORED, (name, verdict)


def test_cheats_say_what_they_do_and_where_they_are_caught(task: Task) -> None:
    texts = cheats.of(task)
    assert len(texts) >= 5
    for name, source in texts.items():
        words = ast.get_docstring(ast.parse(source)) or ""
        assert "\n\nCaught by: " in words, f"{name} should end its docstring with `Caught by: ` and a layer"


def test_most_cheats_are_given_away_by_their_text(task: Task) -> None:
    """But for wrong computations in an honest language: no text tells a kernel that forgets a mask from one
    that needs none, nor a rule that stops late from one that does not. Such cheats name a layer in JUDGED,
    and the kind's own tests run every one of them.
    """
    layers = {name: source.partition("Caught by: ")[2] for name, source in cheats.of(task).items()}
    told = {name for name, layer in layers.items() if not layer.startswith(JUDGED)}
    caught = [name for name in told if check(cheats.of(task)[name], task.rules)]
    assert len(caught) >= 0.8 * len(told)
    assert len(told) >= 5


@pytest.mark.parametrize("seeds", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_seeds_export_with_tests_that_pass(task: Task, tmp_path: Path, seeds: int | None) -> None:
    """Two of them by default, all as a slow test."""
    for name, source in list(task.seeds.items())[:seeds]:
        files = task.export(Winner(f"evolved_{name}", canonical(source), PROVENANCE))
        assert files["README.md"].splitlines()[2] == f"**{PROVENANCE['decision']}**"
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            tmp_path,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-4_000:]


def test_export_refuses_names_that_cannot_be_modules(task: Task) -> None:
    source = next(iter(task.seeds.values()))
    for name in ("", "Two Words", "../escape", "class", "1st"):
        with pytest.raises(ValueError, match="module name"):
            task.export(Winner(name, source, {}))


OUTSIDE = """
from dataclasses import replace

import sys

from recevolve.evaluators.kinds.task import DeviceResults, Estimating
from recevolve.evaluators.language.edit import Edited, Unsuitable

INSIDE = TASK


def steeper(source, others, rng):
    if "0.5" not in source:
        raise Unsuitable("no half")
    return Edited(source.replace("0.5", "0.75"), "half becomes three quarters", None)


class Estimator(CurveJudge):
    estimate = "a guess from few points, not measured"

    def order(self, source, sandbox):
        return Verdict(Status.SCORED, Metric(0.0), facts={"text": source})


class Bench:
    def enqueue(self, queue, program_id, order):
        queue.mkdir(exist_ok=True)
        (queue / program_id).write_text(order.facts["text"])
        return 1

    def queued(self, queue):
        return {path.name for path in queue.glob("*")}

    def command(self, queue, output):
        return [sys.executable, "-c", f"open({str(output)!r}, 'w').write('measured')"]

    def results(self, queue, content):
        return DeviceResults("a bench", {"content": content.decode()}, ())


def adapt(data, settings):
    bait = Settings.model_validate(settings).bait
    return replace(TASK, contract=f"def f(x, c) -> array; the bait is {bait:g}")


TASK = replace(
    INSIDE,
    kind="outside",
    persona="You fit curves.",
    edits={steeper: 1.0},
    adapt=adapt,
    floors=("error",),
    backends=("replay",),
    source="none",
    data="a curve needs no log",
    reference="toy",
    judge=lambda data, settings, limits: Estimator(limits, settings),
    measuring=Bench(),
)
"""


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds an installed package whose entry point names a kind."""
    package, info = tmp_path / "site" / "curves", tmp_path / "site" / "curves-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    toy = (Path(__file__).parent / "toy" / "task.py").read_text(encoding="utf-8")
    (package / "__init__.py").touch()
    (package / "task.py").write_text(toy + OUTSIDE, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: curves\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[recevolve.tasks]\noutside = curves.task:TASK\n", encoding="utf-8"
    )
    return {**os.environ, "PYTHONPATH": str(package.parent)}


def called(environment: Mapping[str, str], folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command line prints."""
    command = [sys.executable, "-m", "recevolve", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_installed_kind_needs_nothing_but_its_folder(outside: dict[str, str], tmp_path: Path) -> None:
    """Config, search, prompts, experiments and export do with a kind from outside what they do with ours."""
    called(outside, tmp_path, "init", "outside.toml", "--kind", "outside")
    text = (tmp_path / "outside.toml").read_text(encoding="utf-8")
    assert 'source = "none"  # a curve needs no log' in text
    assert "[outside]" in text
    assert "length_ratio = 20" in text
    small = {
        "population.islands": 1,
        "population.births": 3,
        "budget.generations": 2,
        "north_star.every": 1,
        "north_star.folds": 2,
        "executor.workers": 1,
        "propose.models": [],
    }
    changes = [part for key, value in small.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    ran = called(outside, tmp_path, "run", "outside.toml", *changes)
    assert "a guess from few points, not measured" in ran
    prompt = called(outside, tmp_path, "prompt", "runs/outside")
    for words in (
        "You fit curves.",
        "the bait is 0",
        "`error` may not get worse",
        "half becomes three quarters",
    ):
        assert words in prompt
    called(outside, tmp_path, "export", "runs/outside", "best", "-o", "patch", "--anyway")
    assert (tmp_path / "patch" / "README.md").is_file()
    called(outside, tmp_path, "replay", "runs/outside")
    refused = [*changes, "--set", 'online.backend="simulator"', "--set", 'run_dir="other"']
    assert '"replay"' in called(outside, tmp_path, "run", "outside.toml", *refused, code=2)
    asked = called(outside, tmp_path, "run", "outside.toml", "--reference", "runs/outside:best", code=2)
    assert "expected a run of kind toy, got one of kind outside" in asked
    assert "measurements.json written" in called(outside, tmp_path, "kernels", "measure", "runs/outside")
    measured = tmp_path / "runs" / "outside" / "measurements.json"
    assert "0 results of a bench taken" in called(
        outside, tmp_path, "kernels", "ingest", "runs/outside", str(measured)
    )
