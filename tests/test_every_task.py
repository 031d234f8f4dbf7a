"""The contract of a kind, run over every kind that the registry knows."""

import ast
import subprocess
import sys
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


def test_seeds_have_every_property_in_their_own_words_and_in_canonical_form(task: Task) -> None:
    with Sandbox(task.preload) as sandbox:
        for name, source in task.seeds.items():
            verdicts = [task.examine(text, sandbox) for text in (source, canonical(source))]
            assert [each.status for each in verdicts] == [Status.SCORED] * 2, (name, verdicts)


def test_cheats_say_what_they_do_and_where_they_are_caught(task: Task) -> None:
    texts = cheats.of(task)
    assert len(texts) >= 5
    for name, source in texts.items():
        words = ast.get_docstring(ast.parse(source)) or ""
        assert "\n\nCaught by: " in words, f"{name} should end its docstring with `Caught by: ` and a layer"


def test_most_cheats_are_given_away_by_their_text(task: Task) -> None:
    """But for wrong computations in an honest language: no text tells a kernel that forgets a mask from one
    that needs none. Such cheats say `gate` or `estimate`, and the kind's own tests run every one of them.
    """
    layers = {name: source.partition("Caught by: ")[2] for name, source in cheats.of(task).items()}
    told = {name for name, layer in layers.items() if not layer.startswith(("gate", "estimate"))}
    caught = [name for name in told if check(cheats.of(task)[name], task.rules)]
    assert len(caught) >= 0.8 * len(told)
    assert len(told) >= 5


def test_every_seed_exports_with_tests_that_pass(task: Task, tmp_path: Path) -> None:
    for name, source in task.seeds.items():
        files = task.export(Winner(f"evolved_{name}", canonical(source), PROVENANCE))
        assert "README.md" in files
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
