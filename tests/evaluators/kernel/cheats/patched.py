"""The cheats of kernels: each is a patch on an honest seed, in SEARCH/REPLACE blocks below its docstring."""

from pathlib import Path

from recevolve.engine.propose.llm.answers.search_replace import applied, blocks
from recevolve.evaluators.kernel.settings import Settings
from recevolve.evaluators.kernel.task import task_for

SEEDS = {"pairwise_dot": "row_per_program", "dcn_v2_cross": "two_passes"}
"""The seed that the patches of an operator apply to."""


def cheats(operator: str) -> dict[str, str]:
    """The source of every cheat of an operator by name. Its docstring says the trick and what catches it.

    Raises Unusable where a SEARCH is not in the seed exactly once.
    """
    seed = task_for(Settings(operator=operator, north_star="estimate")).seeds[SEEDS[operator]]
    files = sorted((Path(__file__).parent / operator).glob("*.patch"))
    return {path.stem: patched(seed, path.read_text(encoding="utf-8")) for path in files}


def of(settings: Settings) -> dict[str, str]:
    """The cheats of the operator that a config names."""
    return cheats(settings.operator)


def patched(seed: str, patch: str) -> str:
    """The seed with the blocks of a patch applied, and the text around them as its docstring."""
    edits, words = blocks(patch)
    return applied(f'"""{words.strip()}\n"""{seed.split(chr(34) * 3, 2)[2]}', edits)
