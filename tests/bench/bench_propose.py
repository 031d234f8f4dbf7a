"""What proposing costs, and what it yields: `python tests/bench/bench_propose.py`.

CPU milliseconds of this process per proposal of the syntax proposer, over the optimizer's seeds and over
programs bred from them for some generations, and of its parts: rules, canonical form, hash. Then the share of
proposals for which every property of the kind holds, and what an examination costs.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from recevolve.engine.propose.proposer import Parent, Proposal
from recevolve.engine.propose.syntax import SyntaxProposer
from recevolve.evaluators.canonical import canonical, syntax_hash
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.properties import examine, warm
from recevolve.evaluators.sandbox import load
from recevolve.evaluators.static import check

PROPOSALS, EXAMINED = 1_000, 500
SEEDS = tuple(Parent(name, source) for name, source in TASK.seeds.items())


def milliseconds(work: Callable[[int], object], count: int) -> float:
    """The median CPU cost of one call."""
    costs = []
    for number in range(count):
        started = time.process_time_ns()
        work(number)
        costs.append(time.process_time_ns() - started)
    return statistics.median(costs) / 1e6


def bred(proposer: SyntaxProposer, count: int) -> list[Parent]:
    """The seeds after so many replacements of random members by children of random members."""
    population = list(SEEDS) * 3
    for number in range(count):
        rng = np.random.Generator(np.random.Philox(key=[1, number]))
        child = proposer.mutant([population[i] for i in rng.choice(len(population), 2)], rng)
        population[int(rng.integers(len(population)))] = Parent(f"child {number}", child.source)
    return population


def ask(proposer: SyntaxProposer, parents: Sequence[Parent], number: int) -> Proposal:
    rng = np.random.Generator(np.random.Philox(number))
    return proposer.mutant([parents[i] for i in rng.choice(len(parents), 2, replace=False)], rng)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    old = bred(proposer, 200)
    sources = [ask(proposer, SEEDS, number).source for number in range(EXAMINED)]
    for source in sources:
        canonical(source)
    rows = {
        "proposal from seeds": milliseconds(lambda n: ask(proposer, SEEDS, n), PROPOSALS),
        "proposal from bred programs": milliseconds(lambda n: ask(proposer, old, n), PROPOSALS),
        "rules": milliseconds(lambda n: check(sources[n], TASK.rules), EXAMINED),
        "canonical form": milliseconds(lambda n: canonical.__wrapped__(sources[n]), EXAMINED),
        "hash of a known form": milliseconds(lambda n: syntax_hash(sources[n]), EXAMINED),
    }
    warm()
    ends: Counter[str] = Counter()
    started = time.process_time()
    for source in sources:
        text = examine(TASK.properties, load(source), 60.0) or "every property holds"
        ends[text.partition(":")[0]] += 1
    rows["examination, failing ones included"] = (time.process_time() - started) / EXAMINED * 1e3
    for name, cost in rows.items():
        print(f"{name:<40} {cost:8.2f} ms CPU")
    for name, count in ends.most_common():
        print(f"{name:<40} {count / EXAMINED:8.1%}")


if __name__ == "__main__":
    main()
