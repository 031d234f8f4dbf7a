"""Estimates rank, repeat and say what they are; verdicts name what is wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from recevolve.evaluators.kernel.assembler import assembled
from recevolve.evaluators.kernel.judge import KernelJudge
from recevolve.evaluators.kernel.settings import Settings, shapes_for
from recevolve.evaluators.kernel.task import TASK, task_for
from recevolve.evaluators.kinds.task import Estimating, Task
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.kernels.operators import PAIRWISE_DOT
from recevolve.population.values.verdict import Status

from .conftest import SMALL


def test_our_own_program_is_estimated_above_the_poor_one(
    task: Task, judge: KernelJudge, sandbox: Sandbox
) -> None:
    scores = {}
    for name in ("pairwise_dot", "poor"):
        source = canonical(task.seeds[name])
        assert task.examine(source, sandbox).status is Status.SCORED
        verdict = judge.proxy(source, 0, sandbox)
        assert verdict.score is not None
        scores[name] = verdict.score.value
    assert 0 < scores["poor"] < scores["pairwise_dot"] <= 1


def test_a_verdict_is_the_same_again_and_says_that_it_is_an_estimate(
    judge: KernelJudge, row: str, sandbox: Sandbox
) -> None:
    verdict = judge.proxy(row, 1, sandbox)
    again = KernelJudge({}, SMALL, Limits(), "test").proxy(row, 1, sandbox)
    assert verdict.score == again.score
    assert verdict.metrics == again.metrics
    assert verdict.facts == again.facts
    assert verdict.facts["measured"] is False
    assert verdict.facts["label"] == "estimate"
    assert set(verdict.facts["shares"]) == {"small", "criteo-kaggle"}
    assert not {name for name in verdict.metrics if "second" in name or "time" in name}


def test_folds_are_shapes_and_splits_have_draws_of_their_own(
    judge: KernelJudge, row: str, sandbox: Sandbox
) -> None:
    assert judge.folds == 4
    verdicts = [judge.north_star(row, "selection", fold, 4, sandbox) for fold in range(2)]
    assert [list(verdict.facts["shares"]) for verdict in verdicts] == [["small"], ["criteo-kaggle"]]
    halves = judge.north_star(row, "claim", 0, 2, sandbox)
    assert halves.score is not None
    with pytest.raises(ValueError, match="selection, claim"):
        judge.north_star(row, "search", 0, 2, sandbox)


def test_guardrails_are_read_from_binaries_and_allocations(
    task: Task, judge: KernelJudge, row: str, sandbox: Sandbox
) -> None:
    verdict = judge.guard(row, sandbox)
    assert verdict.metrics["spill_bytes"].value == 0
    assert verdict.metrics["workspace_ratio"].value == 0
    assert set(task.guardrails) <= set(verdict.metrics)
    output = "    v3 = torch.empty((v0, (v1 - 1) * v1 // 2)"
    greedy = row.replace(output, f"    v4 = torch.empty((v0, 4096))\n{output}", 1)
    assert judge.guard(greedy, sandbox).metrics["workspace_ratio"].value > 2


def test_equal_results_of_other_code_are_no_duplicates(task: Task, row: str, sandbox: Sandbox) -> None:
    found = {
        name: task.examine(source, sandbox).facts["behaviour"]
        for name, source in {
            "as it is": row,
            "again": row,
            "more warps": row.replace("'num_warps': 2", "'num_warps': 4"),
        }.items()
    }
    assert found["as it is"] == found["again"] != found["more warps"]


def test_constants_that_change_no_binary_assemble_nothing(
    judge: KernelJudge, row: str, sandbox: Sandbox
) -> None:
    judge.proxy(row, 0, sandbox)
    before = assembled.cache_info().misses
    other = row.replace("v0,](", "v0 * CONFIG['one'],](", 1).replace("CONFIG = {", "CONFIG = {'one': 1, ", 1)
    assert judge.proxy(other, 0, sandbox).status is Status.SCORED
    assert assembled.cache_info().misses == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    v6 = tl.dot", "    tl.static_assert(F != 11)\n    v6 = tl.dot", "headline"),
        ("D=v2", "D=v2 // 0", "ZeroDivisionError|division"),
        ("v0 = tl.program_id(0)", "v0 = tl.program_id(5)", "axis|program_id"),
    ],
)
def test_what_does_not_compile_is_a_verdict_with_a_reason(
    task: Task, row: str, sandbox: Sandbox, old: str, new: str, words: str
) -> None:
    assert old in row
    verdict = task.examine(row.replace(old, new), sandbox)
    assert verdict.status is Status.INVALID
    assert any(word in verdict.reason for word in words.split("|")), verdict.reason


def test_an_endless_loop_is_cut_off(row: str, sandbox: Sandbox) -> None:
    loop = "    for v99 in range(0, 1000000000):\n        v98 = v99\n    v1 = tl.arange"
    endless = row.replace("    v1 = tl.arange", loop, 1)
    judge = KernelJudge({}, SMALL, Limits(cpu_seconds=2.0), "test")
    assert judge.proxy(endless, 0, sandbox).status is Status.TIMED_OUT


def test_the_judge_leaves_entries_for_a_gpu(judge: KernelJudge, row: str, sandbox: Sandbox) -> None:
    assert isinstance(judge, Estimating)
    assert "static estimate" in judge.estimate
    entries = judge.order(row, sandbox).facts["entries"]
    assert [each["entry"]["note"] for each in entries] == ["small", "criteo-kaggle"]
    steps = [step for each in entries for one in each["entry"]["passes"].values() for step in one["steps"]]
    assert len(steps) == 4
    assert all(step["cubin"] in each["code"] for each in entries for step in _steps(each))


def _steps(answer: dict) -> list[dict]:  # type: ignore[type-arg]
    return [step for one in answer["entry"]["passes"].values() for step in one["steps"]]


def test_settings_that_cannot_be_say_what_can(tmp_path: Path) -> None:
    for wrong, words in (
        ({"operator": "softmax"}, "is one of pairwise_dot"),
        ({"shapes": ("huge",)}, "has dlrm-v1"),
        ({"shapes": ({"B": 4},)}, "each 1 or more"),
        ({"unknown": 1}, "Extra inputs"),
    ):
        with pytest.raises(ValidationError, match=words):
            Settings(**wrong)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match="is no calibration"):
        KernelJudge({}, {**SMALL, "calibration": str(tmp_path / "broken.json")}, Limits(), "test")


def test_sizes_of_ones_own_are_named_after_themselves() -> None:
    settings = Settings(shapes=({"B": 64, "F": 5, "D": 8},))
    (shape,) = shapes_for(PAIRWISE_DOT, settings)
    assert shape.name == "B64-F5-D8"
    judge = KernelJudge({}, {"shapes": ({"B": 64, "F": 5, "D": 8},), "north_star": "estimate"}, Limits(), "1")
    assert judge.folds == 4


def test_the_fingerprint_follows_what_decides() -> None:
    prints = {
        KernelJudge({}, {**SMALL, **more}, Limits(), version).fingerprint
        for more, version in (({}, "1"), ({}, "2"), ({"dtype": "float32"}, "1"), ({"seed": 1}, "1"))
    }
    assert len(prints) == 4


def test_contracts_of_other_operators_name_their_own_inputs() -> None:
    task = task_for(Settings(operator="dcn_v2_cross", dtype="float32"))
    assert "backward(grad, x0, x, weight, bias)" in task.contract
    assert task.rules.functions["forward"] == ("x0", "x", "weight", "bias")
    assert next(iter(task.seeds)) == "dcn_v2_cross"
    assert "MI300" in task_for(Settings(target="gfx942")).contract
    assert next(iter(TASK.metrics)) == "estimated_share"
