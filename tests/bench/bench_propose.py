"""What proposing costs, and what it yields: `python tests/bench/bench_propose.py`.

CPU milliseconds of this process per proposal of the syntax proposer, over the optimizer's seeds and over
programs bred from them for some generations, and of its parts: rules, canonical form, hash. Then what reading
a model's answer costs, building a grammar for it, and measuring how new its program is; then the share of
proposals for which every property of the kind holds, and what an examination costs.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from recevolve.engine.loop.proposer import Parent, Proposal
from recevolve.engine.propose.llm.answers.answers import read
from recevolve.engine.propose.llm.answers.gbnf import grammar
from recevolve.engine.propose.llm.embeddings import most_similar
from recevolve.engine.propose.llm.novelty import nearest, vector
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kinds.properties import examine, warm
from recevolve.evaluators.language.canonical import canonical, syntax_hash
from recevolve.evaluators.language.static import check
from recevolve.evaluators.optimizer.properties import PROPERTIES
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import load
from recevolve.population.values.member import Member

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


def answering(sources: Sequence[str]) -> dict[str, float]:
    """What lies between a model's answer and the decision to evaluate its program."""
    old, new = "torch.zeros_like(param)", "torch.zeros_like(param) + 0.5"
    line = next(line for line in SEEDS[1].source.split("\n") if old in line)
    block = f"<<<<<<< SEARCH\n{line}\n=======\n{line.replace(old, new)}\n>>>>>>> REPLACE"
    edits = [f"explanation: attempt {number}\n{block}" for number in range(EXAMINED)]
    wholes = [f"explanation: as told\n```python\n{source}```" for source in sources]
    island = [Member(str(n), source, 0.0, str(n), (), 1) for n, source in enumerate(sources[:24])]
    nearest(sources[0], island)
    vectors_ND = np.random.default_rng(0).normal(size=(48, 1_536)).astype(np.float32)
    embedded = {str(number): vector_D for number, vector_D in enumerate(vectors_ND[:24])}
    return {
        "answer read, edits": milliseconds(
            lambda n: read("edits", edits[n], SEEDS[1:2], TASK.rules), EXAMINED
        ),
        "answer read, whole": milliseconds(
            lambda n: read("whole", wholes[n], SEEDS[:1], TASK.rules), EXAMINED
        ),
        "grammar, edits": milliseconds(lambda n: grammar("edits", SEEDS[n % 8 :], TASK.rules), 100),
        "grammar, whole": milliseconds(lambda n: grammar("whole", SEEDS[n % 8 :], TASK.rules), 100),
        "features of a known form": milliseconds(lambda n: vector.__wrapped__(sources[n]), EXAMINED),
        "nearest of 24 known": milliseconds(lambda n: nearest(sources[n % 24 + 24], island), EXAMINED),
        "nearest of 24 embeddings of 1,536": milliseconds(
            lambda n: most_similar(vectors_ND[n % 24 + 24], embedded), 100
        ),
    }


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
    rows |= answering(sources)
    warm()
    ends: Counter[str] = Counter()
    started = time.process_time()
    for source in sources:
        text = examine(PROPERTIES, load(source), 60.0) or "every property holds"
        ends[text.partition(":")[0]] += 1
    rows["examination, failing ones included"] = (time.process_time() - started) / EXAMINED * 1e3
    for name, cost in rows.items():
        print(f"{name:<40} {cost:10.4f} ms CPU")
    for name, count in ends.most_common():
        print(f"{name:<40} {count / EXAMINED:10.1%}")


if __name__ == "__main__":
    main()
