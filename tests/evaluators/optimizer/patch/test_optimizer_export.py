"""The exported patch: what a reviewer reads, and what a training script gets."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from recevolve.evaluators.kinds.task import Winner
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.patch.export import export
from recevolve.evaluators.optimizer.patch.program import PatchProgram, reach
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load
from recevolve.population.values.verdict import Metric, Status, Verdict

from ...exported import failure


def exported(seed: str, **provenance: object) -> Mapping[str, str]:
    return export(Winner("evolved", canonical(TASK.seeds[seed]), provenance))


def test_needs_torch_and_the_standard_library_alone() -> None:
    for seed in TASK.seeds:
        tree = ast.parse(exported(seed)["evolved.py"])
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert modules <= {"torch", "torch.optim", "math", "sys", "typing", "collections.abc"}


def test_the_rate_that_was_judged_is_the_default() -> None:
    verdict = Verdict(Status.SCORED, Metric(-0.5), facts={"lr_factor": 3.0}).to_json()
    for provenance in ({"lr_factor": 3.0}, {"proxy": verdict}, {"proxy": verdict, "lr_factor": 3.0}):
        namespace = load(exported("adam", **provenance)["evolved.py"])
        assert namespace["HYPERPARAMETERS"]["lr"] == 0.015
        assert next(iter(namespace["HYPERPARAMETERS"])) == "lr"
    assert load(exported("adam", proxy=None)["evolved.py"])["HYPERPARAMETERS"]["lr"] == 0.005


def test_a_verdict_is_told_in_a_line() -> None:
    verdict = Verdict(Status.SCORED, Metric(-0.5), facts={"lr_factor": 3.0}).to_json()
    assert "proxy: scored -0.5; lr_factor 3" in exported("adam", proxy=verdict)["evolved.py"]


def test_provenance_is_text_and_cannot_become_code() -> None:
    hostile = {"explanation": '"""\nimport os\nos.abort()\n"""', "\\": "\\", "quote": '"', "bell": "a\x07b"}
    for files in (exported("adam", **hostile), export(Winner("evolved", TASK.seeds["lion"], hostile))):
        tree = ast.parse(files["evolved.py"])
        assert isinstance(tree.body[0], ast.Expr)
        assert "os.abort()" in (ast.get_docstring(tree) or "")
        assert "\x07" not in files["evolved.py"] + files["README.md"]


def test_the_archived_text_travels_whole() -> None:
    for source in (
        TASK.seeds["adam"],
        canonical(TASK.seeds["ftrl_proximal"]),
        TASK.seeds["lion"] + "# a \\ b\n",
    ):
        tree = ast.parse(export(Winner("evolved", source, {}))["test_evolved.py"])
        (archived,) = [
            ast.literal_eval(n.value)
            for n in tree.body
            if isinstance(n, ast.Assign)
            and isinstance(n.targets[0], ast.Name)
            and n.targets[0].id == "ARCHIVED"
        ]
        assert archived.strip() == source.strip()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("param - grad", "number"),
        ("torch.where(grad > 0.0, param, grad.abs())", "number"),
        ("param - math.sqrt(step) * grad", "number"),
        ("param - grad * hp['lr']", "number"),
        ("param - grad / grad.mean(dim=-1, keepdim=True)", "row"),
        ("param - grad / torch.norm(grad, dim=-1, keepdim=True)", "row"),
        ("param - grad / grad.mean(dim=0, keepdim=True)", "tensor"),
        ("param - grad / grad.mean(dim=-1)", "tensor"),
        ("param - grad.mean()", "tensor"),
        ("param - grad / torch.norm(grad)", "tensor"),
        ("param - grad @ grad", "tensor"),
        ("param - grad[0]", "tensor"),
        ("param - grad * param.numel()", "tensor"),
        ("param - grad * len(grad)", "tensor"),
    ],
)
def test_how_far_a_number_sees(expression: str, expected: str) -> None:
    source = f"def update(grad, state, param, step, hp):\n    return {expression}, {{}}\n"
    assert reach(ast.parse(source)) == expected


def test_numbered_locals_are_named_after_what_they_become() -> None:
    text = PatchProgram(canonical(TASK.seeds["adam"]), 1.0).text()
    assert "return new_param, {" in text
    assert "new_mean" in text
    assert "'" not in text


def test_names_that_clash_are_refused() -> None:
    source = TASK.seeds["adam"].replace("def init", "def Evolved(x):\n    return x\n\n\ndef init")
    with pytest.raises(ValueError, match="Evolved"):
        export(Winner("evolved", source, {}))


def test_passes_the_linter(tmp_path: Path) -> None:
    assert failure(TASK, ("adam", "rowwise_adagrad"), tmp_path, "ruff", "check", "--isolated", ".") == ""


@pytest.mark.slow
def test_passes_the_type_checker(tmp_path: Path) -> None:
    files = ["evolved_adam.py"]
    assert failure(TASK, ("adam", "rowwise_adagrad"), tmp_path, "mypy", "--no-incremental", *files) == ""


def test_its_tests_see_a_rule_that_dies_late(tmp_path: Path) -> None:
    cheat = Path(__file__).parents[1] / "cheats" / "doubling_accumulator.py"
    for file, text in export(Winner("evolved", canonical(cheat.read_text()), {})).items():
        (tmp_path / file).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-k", "thousands", "test_evolved.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout
