"""An elite of an interaction search becomes what a kernel search computes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recevolve.engine.config.config import Config, ConfigError, changed, parse
from recevolve.engine.config.task import task_for
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.runs.reference import with_reference
from recevolve.evaluators.interaction.task import TASK as LAYERS
from recevolve.evaluators.kernel.settings import Settings, operator_for
from recevolve.evaluators.language.canonical import syntax_hash
from recevolve.population.archive.archive import Archive, UnknownProgram
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

SCORED = Verdict(Status.SCORED, Metric(1.0))


def finished(folder: Path, kind: str, **sources: str) -> dict[str, str]:
    """A run of that kind whose only generation bore the programs, the last one best; ids by name."""
    ids = {}
    with Archive.create_or_open(folder / "archive.db") as archive:
        archive.begin({"config": {"kind": kind, "run_dir": str(folder)}}, 0, "0.1.0")
        evaluations, members = [], []
        for slot, (name, source) in enumerate(sources.items()):
            program = Program(kind, source, made_by="seed", explanation=name)
            evaluations.append(Evaluation(0, 0, slot, program, syntax_hash(source), SCORED, "proxy 2", name))
            members.insert(0, Member(program.id, source, float(slot), name, (), 9))
            ids[name] = program.id
        archive.commit_generation(0, 0, population=members, evaluations=evaluations)
    return ids


def kernels(tmp_path: Path, **changes: Any) -> Config:
    return parse({"kind": "kernel", "run_dir": str(tmp_path / "kernels"), **changes})


@pytest.fixture
def layers(tmp_path: Path) -> dict[str, str]:
    """A run in `tmp_path / "layers"`."""
    names = ("gated_cross", "pairwise_dot")
    return finished(tmp_path / "layers", "interaction", **{name: LAYERS.seeds[name] for name in names})


def test_a_layer_that_an_operator_of_ours_equals_brings_its_seeds(
    tmp_path: Path, layers: dict[str, str]
) -> None:
    config = with_reference(kernels(tmp_path), f"{tmp_path / 'layers'}:best")
    assert config.settings["reference"]["program"] == layers["pairwise_dot"]
    task = task_for(config)
    assert task.rules.functions == {"forward": ("x",), "backward": ("grad", "x")}
    assert {"pairwise_dot", "poor"} <= task.seeds.keys()
    assert len(seeds_for(config, task)) == len(task.seeds)


def test_the_text_travels_so_that_the_new_run_needs_the_other_no_more(
    tmp_path: Path, layers: dict[str, str]
) -> None:
    asked = f"{tmp_path / 'layers'}:{layers['gated_cross'][:6]}"
    config = with_reference(kernels(tmp_path), asked)
    (tmp_path / "layers" / "archive.db").unlink()
    again = changed(config, ())  # as a resumed run reads it
    assert again.identity() == config.identity()
    operator = operator_for(Settings.model_validate(again.settings))
    assert operator.inputs == ("x", "gate", "gate_bias", "value", "value_bias")
    inputs = operator.draw({"B": 3, "F": 4, "D": 2}, torch.float64, torch.Generator().manual_seed(0))
    x, gate, gate_bias, value, value_bias = inputs
    flat = x.flatten(1)
    wanted = flat + flat * torch.sigmoid(flat @ gate + gate_bias) * (flat @ value + value_bias)
    assert torch.allclose(operator.reference(*inputs), wanted)
    assert "def reference(x, gate, gate_bias, value, value_bias):" in task_for(again).contract


def test_where_no_operator_of_ours_fits_it_says_what_to_give(tmp_path: Path, layers: dict[str, str]) -> None:
    config = with_reference(kernels(tmp_path), f"{tmp_path / 'layers'}:{layers['gated_cross']}")
    with pytest.raises(ConfigError, match=r'seeds = \["my_program\.py"\]'):
        seeds_for(config, task_for(config))


@pytest.mark.parametrize("asked", ["runs/layers", ":best", "runs/layers:", ""])
def test_what_is_no_run_and_program_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(ConfigError, match="expected RUN:PROGRAM"):
        with_reference(kernels(tmp_path), asked)


def test_runs_of_other_kinds_neither_give_nor_take(tmp_path: Path, layers: dict[str, str]) -> None:
    finished(tmp_path / "rewards", "reward", formula="x = 1\n")
    with pytest.raises(ConfigError, match="expected a run of kind interaction, got one of kind reward"):
        with_reference(kernels(tmp_path), f"{tmp_path / 'rewards'}:best")
    with pytest.raises(ConfigError, match="a search of kind reward takes none"):
        with_reference(parse({"kind": "reward", "run_dir": str(tmp_path)}), f"{tmp_path / 'layers'}:best")
    with pytest.raises(UnknownProgram):
        with_reference(kernels(tmp_path), f"{tmp_path / 'layers'}:ffff")


def test_a_text_that_is_no_layer_is_refused_before_any_work(tmp_path: Path) -> None:
    layer = {"program": "0" * 16, "source": "import os\n"}
    config = kernels(tmp_path, kernel={"reference": layer})
    with pytest.raises(ConfigError, match="no interaction layer"):
        task_for(config)
