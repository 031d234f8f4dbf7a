"""Ten thousand mutants of the seeds: each gets a typed verdict, and nothing else happens.

`pytest -m slow -s tests/test_mutants.py` prints the shares; about twelve minutes on two cores.
"""

import asyncio
from collections import Counter

import pytest

from recevolve.engine.config.config import parse
from recevolve.engine.loop.executor import Call, LocalExecutor
from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.population.island.randomness import generator
from recevolve.population.values.evaluation import Stage
from recevolve.population.values.verdict import Status, Verdict

MUTANTS = 10_000
DATA = {"source": "synthetic", "rows": 6_000, "split": "user"}
SETTINGS = {
    "rung_rows": (1_000,),
    "rung_factors": (1,),
    "factors": (1.0,),
    "batch": 64,
    "folds": 2,
    "transfer": False,
}


def mutants(count: int) -> list[str]:
    """Sources, each of one to three edits of a seed, with another seed to borrow from."""
    task = registry.find("optimizer")
    proposer = SyntaxProposer(task.vocabulary, task.rules)
    seeds = [Parent(name, source) for name, source in task.seeds.items()]
    made: list[str] = []
    for number in range(count):
        rng = generator(0, "mutants", number)
        parents = [seeds[index] for index in rng.permutation(len(seeds))[:2]]
        made.append(proposer.mutant(parents, rng).source)
    return made


async def judged(executor: LocalExecutor, source: str) -> tuple[str, Verdict]:
    """The last stage that the program reached, and its verdict there."""
    task = registry.find("optimizer")
    if problems := check(source, task.rules):
        return "static", Verdict(Status.INVALID, reason=problems[0].message)
    text = canonical(source)
    verdict = await executor.judge(Call(Stage.PROPERTIES, text))
    if not verdict.score:
        return "properties", verdict
    return "proxy", await executor.judge(Call(Stage.PROXY, text))


async def all_judged(sources: list[str]) -> list[tuple[str, Verdict]]:
    limits = {"cpu_seconds": 10.0, "memory_mb": 1024}
    tables = {"data": DATA, "optimizer": SETTINGS, "sandbox": limits}
    executor = LocalExecutor(parse({"kind": "optimizer", "run_dir": "unused", **tables}))
    try:
        return list(await asyncio.gather(*(judged(executor, source) for source in sources)))
    finally:
        executor.close()


def shares(counts: list[tuple[str, Verdict]]) -> Counter[str]:
    return Counter(f"{verdict.status} at {stage}" for stage, verdict in counts)


@pytest.mark.slow
def test_ten_thousand_mutants_get_typed_verdicts() -> None:
    counts = asyncio.run(all_judged(mutants(MUTANTS)))
    counted = shares(counts)
    print()
    for name, count in counted.most_common():
        print(f"{count:>7,} {count / MUTANTS:>7.2%}  {name}")
    assert counted.total() == MUTANTS
    assert all(verdict.score or verdict.reason for _, verdict in counts)
    assert not any(verdict.status is Status.INFRASTRUCTURE for _, verdict in counts)
    assert sum(bool(verdict.score) for _, verdict in counts) > MUTANTS / 2


def test_forty_mutants_get_typed_verdicts() -> None:
    counts = asyncio.run(all_judged(mutants(40)))
    assert shares(counts).total() == 40
    assert sum(bool(verdict.score) for _, verdict in counts) > 20
