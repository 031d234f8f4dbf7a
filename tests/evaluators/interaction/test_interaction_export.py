"""The exported patch: what a reviewer reads, and what a model gets."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.interaction.template import export
from recevolve.evaluators.kinds.task import Winner
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.sandbox import load
from recevolve.population.values.verdict import Metric, Status, Verdict

from ..exported import failure


def exported(seed: str, **provenance: object) -> Mapping[str, str]:
    return export(Winner("evolved", canonical(TASK.seeds[seed]), provenance))


def test_needs_torch_and_the_standard_library_alone() -> None:
    for seed in TASK.seeds:
        tree = ast.parse(exported(seed)["evolved.py"])
        modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert modules <= {"torch", "math"}


def test_is_a_module_with_named_parameters() -> None:
    module = load(exported("dcn_v2_low_rank")["evolved.py"])["Evolved"](5, 4, rank=3)
    assert isinstance(module, torch.nn.Module)
    assert set(dict(module.named_parameters())) == {"down1", "up1", "bias1", "down2", "up2", "bias2"}
    assert module.up1.shape == (3, 20)
    assert module.outputs == 20
    assert "fields=5, dim=4, outputs=20" in repr(module)


def test_can_be_trained_inside_a_model() -> None:
    torch.manual_seed(0)
    layer = load(exported("senet_bilinear")["evolved.py"])["Evolved"](4, 3)
    model = torch.nn.Sequential(layer, torch.nn.Linear(layer.outputs, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x = torch.randn(64, 4, 3)
    target = (x[:, 0] * x[:, 1]).sum(1, keepdim=True)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_provenance_is_text_and_cannot_become_code() -> None:
    hostile = {"explanation": '"""\nimport os\nos.abort()\n"""', "\\": "\\", "quote": '"', "bell": "a\x07b"}
    files = exported("fm", **hostile)
    tree = ast.parse(files["evolved.py"])
    assert isinstance(tree.body[0], ast.Expr)
    assert "os.abort()" in (ast.get_docstring(tree) or "")
    assert "\x07" not in files["evolved.py"] + files["README.md"]


def test_a_verdict_is_told_in_a_line() -> None:
    verdict = Verdict(Status.SCORED, Metric(-0.5), facts={"outputs": 3, "units": [-0.25, -0.75]}).to_json()
    text = exported("fm", proxy=verdict)["evolved.py"]
    assert "proxy: scored -0.5; outputs 3" in text
    assert "-0.25" not in text


def test_a_claim_is_told() -> None:
    assert "Fields in another order leave the output" in exported("fm")["README.md"]
    assert "keep their order" in exported("dcn_v2")["README.md"]


def test_names_that_clash_are_refused() -> None:
    source = TASK.seeds["dcn_v2"].replace("def init", "def Evolved(x):\n    return x\n\n\ndef init")
    source = source.replace("flat = x.flatten(1)", "flat = Evolved(x).flatten(1)")
    files = export(Winner("evolved", source, {}))  # a helper has no name of its own in the canonical form
    assert "class Evolved" in files["evolved.py"]
    with pytest.raises(ValueError, match="module name"):
        export(Winner("torch", source, {}))


def test_passes_the_linter(tmp_path: Path) -> None:
    assert failure(TASK, ("dcn_v2_low_rank", "fm"), tmp_path, "ruff", "check", "--isolated", ".") == ""


@pytest.mark.slow
def test_passes_the_type_checker(tmp_path: Path) -> None:
    files = ["evolved_fm.py", "evolved_dcn_v2_low_rank.py"]
    assert failure(TASK, ("dcn_v2_low_rank", "fm"), tmp_path, "mypy", "--no-incremental", *files) == ""
