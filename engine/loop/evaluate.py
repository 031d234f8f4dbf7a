"""Evaluate: one recorded judgement of a source; whatever was judged before costs nothing."""

from typing import Any

from ...population.values.evaluation import Stage
from ...population.values.verdict import Status, Verdict
from .candidate import canonical
from .context import SearchContext
from .executor import Call

TRIES = 3


async def judge(
    search: SearchContext, stage: Stage, source: str, number: int = 0, split: str = "", of: int = 1
) -> Verdict:
    """The recorded verdict on a source that passed the static check, computed where there is none.

    The key is the canonical text, not the program: equal trees are judged once. A verdict that
    infrastructure spoiled is asked for again, TRIES times in all.
    """
    text, syntax, _ = canonical(source)
    key: dict[str, Any] = {
        "stage": stage,
        "kind": search.task.kind,
        "program": syntax,
        "number": number,
        "split": split,
        "of": of,
        "judge": search.terms.fingerprint,
    }

    async def compute() -> dict[str, Any]:
        assert search.executor is not None
        for _ in range(TRIES):
            verdict = await search.executor.judge(Call(stage, text, number, split, of))
            if verdict.status is not Status.INFRASTRUCTURE:
                break
        return verdict.to_json()

    return Verdict.from_json(await search.ledger.recall_or(key, compute))
