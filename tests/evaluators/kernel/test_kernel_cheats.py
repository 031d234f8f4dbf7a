"""Every cheat is run as far as the layer that its docstring names, and no further; honest programs pass."""

import pytest

from recevolve.evaluators.kernel.judge import KernelJudge
from recevolve.evaluators.kernel.settings import Settings
from recevolve.evaluators.kernel.task import TASK, task_for
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Sandbox
from recevolve.population.values.verdict import Status

CROSS = task_for(Settings(operator="dcn_v2_cross", north_star="estimate"))
CHEATS = [(task, name) for task in (TASK, CROSS) for name in task.cheats]
IDS = [f"{task.rules.functions['forward'][0]}-{name}" for task, name in CHEATS]
FOUND = {
    "assumes_contiguous": "strided inputs",
    "clobbers_input": "inputs_changed",
    "no_gradient": "wrong",
    "padded_output": "shape",
    "split_race": "race",
    "tested_shapes": "wrong",
    "tf32_for_float32": "imprecise (value) in forward, float32",
    "unmasked_overrun": "out_of_bounds",
    "unwritten_tail": "unwritten",
    "deleted_bias": "wrong",
    "identity_weight": "wrong",
    "large_batches": "are not the reference's",
    "small_grid": "unwritten at small: forward writes 50%",
}
"""What the judgement says of each that its text does not give away."""


@pytest.mark.parametrize(("task", "name"), CHEATS, ids=IDS)
def test_each_cheat_is_caught_where_it_says(
    task: Task, name: str, sandbox: Sandbox, judge: KernelJudge
) -> None:
    source = task.cheats[name]
    layer = source.partition("Caught by: ")[2].partition(".")[0]
    if layer == "rules":
        assert check(source, task.rules)
        return
    assert check(source, task.rules) == ()
    verdict = task.examine(canonical(source), sandbox)
    if layer == "estimate":
        assert verdict.status is Status.SCORED
        verdict = judge.proxy(canonical(source), 0, sandbox)
        assert verdict.status is Status.CHEATED
    assert verdict.status in (Status.INVALID, Status.CHEATED)
    assert FOUND[name] in verdict.reason


def test_every_numerical_cheat_says_what_is_found() -> None:
    told = {name for task, name in CHEATS if not check(task.cheats[name], task.rules)}
    assert told == FOUND.keys()


def test_a_program_that_torch_helps_is_a_cheat_even_where_the_text_lets_it(sandbox: Sandbox) -> None:
    """The wall does not lean on the rules: what computes is seen as it runs."""
    source = TASK.seeds["row_per_program"].replace("    return out\n", "    return torch.mul(out, 1.0)\n")
    verdict = TASK.examine(source, sandbox)
    assert verdict.status is Status.CHEATED
    assert "torch_computes" in verdict.reason
