"""The exported patch of a reward: what a reviewer reads, and what production imports."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.evaluators.kinds.task import Winner
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.language import ARGUMENTS
from recevolve.evaluators.reward.logs.logs import sample_for
from recevolve.evaluators.reward.logs.signals import SIMULATED, Signals
from recevolve.evaluators.reward.patch_formula import TORCH, PatchFormula
from recevolve.evaluators.reward.settings import Settings
from recevolve.evaluators.reward.task import TASK, adapt
from recevolve.evaluators.reward.template import export, export_for
from recevolve.evaluators.sandbox import load

AWKWARD = {
    "branches": 'np.where(signals["survey"] > 0.0, np.log(signals["survey"]), signals["click"])',
    "roots": 'np.sqrt(np.maximum(signals["survey"], 0.0)) + np.power(signals["click"], 0.5)',
    "quotients": 'np.where(signals["survey"] > 0.0, 1.0 / np.maximum(signals["survey"], 0.0), 0.0)',
    "masks": 'np.where(np.logical_and(signals["click"] > 0.5, ~(signals["survey"] > 1.0)), 1.0, 2.0)',
    "numbers": 'np.maximum(0.5, signals["click"]) * np.log1p(3) + np.minimum(2, 1.0) + np.power(2.0, 3)',
    "bases": 'np.power(2.0, signals["survey"]) - np.clip(signals["watch"], 1, 60) ** 2',
    "plain": 'signals["click"] * 2.0 - signals["like"]',
    "steps": 'np.sign(signals["survey"]) + (signals["click"] > 0.5) * signals["click"]',
    "curves": 'abs(signals["survey"]) + np.expm1(-signals["click"]) * np.tanh(np.arctan(signals["survey"]))',
}
HELPED = """
import numpy as np

WEIGHTS = {"slope": 0.5, "idle": 0.0}


def bent(x, slope=2.0):
    return np.tanh(WEIGHTS["slope"] * x) * slope


def twice(x):
    return bent(bent(x), 3.0)


def reward(signals):
    total = signals["click"]
    for _ in range(3):
        total = twice(total) + WEIGHTS["idle"]
    return total
"""


def program(expression: str, weights: str = "{}") -> str:
    return f"import numpy as np\n\nWEIGHTS = {weights}\n\n\ndef reward(signals):\n    return {expression}\n"


def exported(source: str, **provenance: object) -> Mapping[str, str]:
    return export(Winner("evolved", canonical(source), provenance))


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]


def test_every_function_of_the_language_has_a_torch_form() -> None:
    assert TORCH.keys() == ARGUMENTS.keys()


def test_awkward_programs_export_with_tests_that_pass_and_clean_text(tmp_path: Path) -> None:
    sources = {**{name: program(text) for name, text in AWKWARD.items()}, "helped": HELPED}
    for name, source in sources.items():
        assert check(source, TASK.rules) == (), name
        for file, text in export(Winner(f"evolved_{name}", canonical(source), {"run": "r"})).items():
            (tmp_path / (file if file.endswith(".py") else f"{name}_{file}")).write_text(text)
    run(["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", ".", "."], tmp_path)
    run(["-m", "ruff", "check", "--isolated", "."], tmp_path)
    run(["-m", "ruff", "format", "--isolated", "--line-length", "110", "--check", "."], tmp_path)
    run(["-m", "mypy", "--no-incremental", *(f"evolved_{name}.py" for name in sources)], tmp_path)


def test_the_exported_tests_notice_another_formula(tmp_path: Path) -> None:
    files = exported(program('signals["click"] * np.sqrt(signals["watch"])'))
    changed = files["evolved.py"].replace("xp.sqrt(", "1.0000001 * xp.sqrt(")
    assert changed != files["evolved.py"]
    (tmp_path / "evolved.py").write_text(changed)
    (tmp_path / "test_evolved.py").write_text(files["test_evolved.py"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    for name in ("numpy_gives_the_bits", "torch_gives_the_same_numbers", "values_of_the_day"):
        assert f"FAILED test_evolved.py::test_{name}" in done.stdout


def test_needs_the_library_of_its_arrays_alone(tmp_path: Path) -> None:
    text = exported(TASK.seeds["satisfaction_gated"])["evolved.py"]
    modules = {n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= {"collections.abc", "sys", "types", "typing"}
    (tmp_path / "evolved.py").write_text(text)
    run(["-c", "import sys, evolved; assert not {'numpy', 'torch'} & set(sys.modules)"], tmp_path)
    numpy_alone = (
        "import sys, numpy, evolved; one = numpy.ones(3);"
        "evolved.evolved(dict.fromkeys(evolved.SIGNALS, one)); assert 'torch' not in sys.modules"
    )
    run(["-c", numpy_alone], tmp_path)


def test_a_branch_that_is_not_taken_has_no_gradient() -> None:
    import torch

    function = load(exported(program(AWKWARD["roots"]))["evolved.py"])["evolved"]
    survey = torch.tensor([-2.0, 4.0], requires_grad=True)
    click = torch.tensor([0.25, 0.25], requires_grad=True)
    function({"survey": survey, "click": click}).sum().backward()
    assert survey.grad is not None
    assert survey.grad.tolist() == [0.0, 0.25]
    assert click.grad is not None
    assert click.grad.tolist() == [1.0, 1.0]


def test_golden_values_are_those_of_the_formula_and_absent_where_it_was_not_run() -> None:
    golden = load(_golden(exported(TASK.seeds["click_times_watch"])))["GOLDEN"]
    for (click, watch), value in zip(*golden, strict=True):
        assert click * watch == value
    files = exported(HELPED)
    assert "GOLDEN" not in files["test_evolved.py"]
    assert "audit.svg" not in files
    assert "Not made. The program is more than a plain formula" in files["AUDIT.md"]
    assert "audit.svg" not in files["README.md"]


def _golden(files: Mapping[str, str]) -> str:
    text = files["test_evolved.py"]
    start = text.index("GOLDEN = ")
    return text[start : text.index("\n\n\n", start)]


def test_nothing_of_the_program_is_executed(tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'trap')!r}, 'w')\n" + TASK.seeds["click"]
    export(Winner("evolved", trap, {}))
    assert not (tmp_path / "trap").exists()


def test_provenance_is_text_and_cannot_become_code() -> None:
    hostile = {
        "explanation": '"""\nimport os\nos.abort()\n"""',
        "\\": "\\",
        "quote": '"',
        "bell": "a\x07b",
        "$name": "$header",
        "edits": [{"edit": "a | b\n```", "effect": {"estimate": 0.25}}],
    }
    files = exported(TASK.seeds["click"], **hostile)
    tree = ast.parse(files["evolved.py"])
    assert isinstance(tree.body[0], ast.Expr)
    assert "os.abort()" in (ast.get_docstring(tree) or "")
    assert "\x07" not in "".join(files.values())
    assert "| a / b ``` | estimate 0.25 |" in files["README.md"]


def test_the_archived_text_travels_whole() -> None:
    for source in (TASK.seeds["weighted_sum"], canonical(HELPED), TASK.seeds["click"] + "# a \\ b\n"):
        tree = ast.parse(export(Winner("evolved", source, {}))["test_evolved.py"])
        (archived,) = [
            ast.literal_eval(n.value)
            for n in tree.body
            if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "ARCHIVED"
        ]
        assert archived.strip() == source.strip()


def test_what_the_readme_tells() -> None:
    provenance: dict[str, Any] = {
        "lineage": ["b: crossover", "a: seed"],
        "gain": "+0.5 late active days [0.4, 0.6]",
        "trials": 812,
        "guardrails": {"hate_ratio": 0.8},
        "edits": [
            {"edit": "adds likes", "effect": "+0.3 [0.2, 0.4]"},
            {"edit": "a cap", "effect": 0.125, "low": 0.0625, "high": 0.25},
            {"edit": "a floor", "effect": None, "low": None, "high": None},
        ],
        "production": "log_watch",
    }
    text = exported(TASK.seeds["click_times_watch"], **provenance)["README.md"]
    edits = ("| a cap | 0.125 [0.0625, 0.25] |", "| a floor | it could not be undone alone |")
    for words in ("b: crossover", "[0.4, 0.6]", "trials: 812", "hate_ratio: 0.8", *edits):
        assert words in text
    assert "Chance of a click times the logarithm of watch time" in text  # production's, to go back to
    assert "click, `like`" not in text
    plain = exported(TASK.seeds["click"], production="../task")["README.md"]
    assert "In production before" not in plain
    assert "What each edit is worth" not in plain


def test_a_sample_is_audited() -> None:
    rng = np.random.default_rng(0)
    sample = {one.name: rng.uniform(0.0, 1.0, 300) for one in SIMULATED.columns}
    winner = Winner("evolved", canonical(TASK.seeds["click"]), {})
    files = export_for(SIMULATED, lambda: ("a sample of a log", sample, "a log"))(winner)
    assert "Computed on 300 rows: a sample of a log" in files["AUDIT.md"]
    assert "`popularity`" in files["AUDIT.md"]
    half = {name: np.array([0.5]) for name in ("click", "like", "survey")}
    with pytest.raises(ValueError, match="it lacks watch"):
        export_for(SIMULATED, lambda: ("a sample of a log", half, "a log"))(winner)


def test_signals_of_a_users_own() -> None:
    own = [
        {
            "name": "dwell",
            "role": "prediction",
            "unit": "hours",
            "low": 0,
            "high": 8,
            "words": "time",
            "better": 1,
        }
    ]
    bound = export_for(Signals.of(own), lambda: None)
    files = bound(Winner("evolved", program('np.sqrt(signals["dwell"])'), {}))
    assert "dwell: hours, 0 to 8; time" in files["evolved.py"]
    assert '"dwell": (0.0, 8.0)' in files["test_evolved.py"]
    with pytest.raises(ValueError, match="reads click, no prediction"):
        bound(Winner("evolved", TASK.seeds["click"], {}))


def test_a_config_audits_its_own_log() -> None:
    table, settings = {"source": "simulated"}, {"log_users": 60}
    files = adapt(table, settings).export(Winner("evolved", TASK.seeds["click"], {}))
    assert "the shown candidates of the search's log, simulated clickbait" in files["AUDIT.md"]
    found = sample_for(table, Settings(log_users=60), SIMULATED)
    assert found is not None
    assert set(found[1]) == {one.name for one in SIMULATED.columns}


FOUND = {
    "gain": "No gain beyond noise over click: +0.1 [-0.1, +0.3]",
    "worse_than_production": ["click_rate -0.1795 [-0.1827, -0.1764]"],
    "alarm": "the proxy orders elites against the north star",
    "ancestor": "160da05a111a41ef, the seed click",
    "edits": [{"edit": "a -> b", "effect": 0.1}],
    "run": {"data": "simulated clickbait: 1 slates of 8, 0123456789abcdef"},
}


@pytest.mark.parametrize(("star", "simulated"), [("late_active_days", True), ("replay", False)])
def test_the_readme_begins_with_the_gain_and_what_speaks_against_it(star: str, simulated: bool) -> None:
    task = adapt({"source": "simulated"}, {"log_users": 60, "north_star": star})
    text = task.export(Winner("evolved", TASK.seeds["click"], FOUND))["README.md"]
    head, edits = text.partition("```python")[0], text.partition("## What each edit is worth")[2]
    assert f"\n\n{FOUND['gain']}\n\n" in head
    assert ("simulated users: no person was asked" in head) == simulated
    assert "Worse than production beyond noise: click_rate -0.1795 [-0.1827, -0.1764]." in head
    assert "ALARM of the run: the proxy orders elites against the north star." in head
    assert "These edits lead to the formula from 160da05a111a41ef, the seed click." in edits


def test_a_log_that_changed_since_the_run_is_told_and_the_same_one_is_not() -> None:
    table, settings = {"source": "simulated"}, {"log_users": 60}
    found = sample_for(table, Settings(log_users=60), SIMULATED)
    assert found is not None
    for data, changed in ((FOUND["run"]["data"], True), (found[2], False)):  # type: ignore[index]
        winner = Winner("evolved", TASK.seeds["click"], {"run": {"data": data}})
        head = adapt(table, settings).export(winner)["README.md"].partition("```python")[0]
        assert ("The log has changed since the run" in head) == changed
        assert (f"Now: {found[2]}." in head) == changed


def test_a_log_is_asked_for_when_something_is_exported_and_may_be_out_of_reach() -> None:
    asked = []

    def out_of_reach() -> None:
        asked.append(1)

    bound = export_for(Signals.of(SIMULATED.to_json()), out_of_reach)
    assert asked == []
    assert "no sample of a log was given" in bound(Winner("evolved", TASK.seeds["click"], {}))["AUDIT.md"]
    assert asked == [1]


def test_the_same_program_gives_the_same_bytes() -> None:
    assert exported(TASK.seeds["multiplicative"]) == exported(TASK.seeds["multiplicative"])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (program('signals["click"]').replace("reward", "evolved"), "must define"),
        (program("np.abs(1.0)"), "reads no signal"),
        (program('np.cumsum(signals["click"])'), "no torch form of cumsum"),
        (program('signals["later_days"]'), "reads later_days, no prediction"),
        (HELPED.replace("twice", "evolved"), "uses evolved itself"),
    ],
)
def test_what_no_patch_can_be_made_of_is_refused(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        export(Winner("evolved", source, {}))


def test_locals_that_are_signals_are_named_after_them() -> None:
    body = "v0 = signals['click']", "v1 = signals['like']", "v1 = v1 * v0", "return v1"
    source = "\n    ".join(["def reward(signals):", *body])
    text = PatchFormula(source).text()
    assert 'click = signals["click"]' in text
    assert "v1 = v1 * click" in text
