"""Every cheat is run as far as the layer that its docstring names, and no further; honest programs pass."""

import ast

import pytest

from recevolve.engine.propose.llm.answers.search_replace import Unusable
from recevolve.evaluators.kernel.judge import KernelJudge
from recevolve.evaluators.kernel.settings import Settings
from recevolve.evaluators.kernel.task import TASK, task_for
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Sandbox
from recevolve.population.values.verdict import Status

from .cheats.patched import SEEDS, cheats, patched

TASKS = {name: task_for(Settings(operator=name, north_star="estimate")) for name in SEEDS}
CHEATS = {(operator, name): text for operator in SEEDS for name, text in cheats(operator).items()}
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


@pytest.mark.parametrize(("operator", "name"), CHEATS, ids="-".join)
def test_each_cheat_is_caught_where_it_says(
    operator: str, name: str, sandbox: Sandbox, judge: KernelJudge
) -> None:
    source, task = CHEATS[operator, name], TASKS[operator]
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
    told = {name for (operator, name), text in CHEATS.items() if not check(text, TASKS[operator].rules)}
    assert told == FOUND.keys()


def test_every_cheat_is_a_whole_program_that_says_its_trick_and_its_layer() -> None:
    assert len(CHEATS) == 27
    for source in CHEATS.values():
        words = ast.get_docstring(ast.parse(source)) or ""
        assert words.partition("\n\nCaught by: ")[2] in ("rules.", "gate.", "estimate.")


def test_a_patch_that_does_not_match_its_seed_is_an_error() -> None:
    seed = TASK.seeds["row_per_program"]
    block = "A trick.\n\nCaught by: gate.\n\n<<<<<<< SEARCH\n{}\n=======\n    return None\n>>>>>>> REPLACE\n"
    assert "    return None\n" in patched(seed, block.format("    return out"))
    for text in ("    return output", "    field = tl.arange(0, FIELDS)"):  # nowhere, and twice
        with pytest.raises(Unusable):
            patched(seed, block.format(text))


def test_a_program_that_torch_helps_is_a_cheat_even_where_the_text_lets_it(sandbox: Sandbox) -> None:
    """The sandbox does not lean on the rules: what computes is seen as it runs."""
    source = TASK.seeds["row_per_program"].replace("    return out\n", "    return torch.mul(out, 1.0)\n")
    verdict = TASK.examine(source, sandbox)
    assert verdict.status is Status.CHEATED
    assert "torch_computes" in verdict.reason
