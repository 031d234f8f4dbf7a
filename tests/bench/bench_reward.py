"""What judging a reward costs, and how far its proxy can be believed.

`python tests/bench/bench_reward.py [FORMULAS]` breeds that many random formulas (200 by default) from the
seeds by syntax edits, without selection, and measures each on every rung of the proxy and in one world of
the north star. One table: CPU per candidate, and Spearman's rank correlation with late active days, over all
and over the better half. Beside the proxy stand its components, clicks among them. Correctness first: both
paths must agree bit for bit.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.reward.caller import Caller
from recevolve.evaluators.reward.judge import RewardJudge
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.properties import Rows, draw
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.evaluators.statistics import spearman_interval
from recevolve.population.island.randomness import generator

SHOWN = ("ordering", "clicked", "watched", "liked", "hated", "returned", "later_days")


def formulas(count: int, sandbox: Sandbox) -> list[str]:
    """Seeds and what random edits make of them and of each other, where every property holds."""
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    pool = [Parent(name, canonical(source)) for name, source in TASK.seeds.items()]
    seen: set[object] = set()
    number = 0
    while len(pool) < count:
        rng = generator(0, "bench", number)
        number += 1
        parents = [pool[index] for index in rng.permutation(len(pool))[:2]]
        source = canonical(proposer.mutant(parents, rng, bold=True).source)
        verdict = TASK.examine(source, sandbox)
        if verdict.score and verdict.facts["behaviour"] not in seen:
            seen.add(verdict.facts["behaviour"])
            pool.append(Parent(str(number), source))
    return [parent.source for parent in pool]


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """(CPU seconds of this process, the result)."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def main(count: int) -> None:
    """The table."""
    limits = Limits(cpu_seconds=20.0)
    judge = RewardJudge({"source": "simulated"}, {}, limits, "bench")
    with Sandbox(TASK.preload) as sandbox:
        sources = formulas(count, sandbox)
        columns = draw(SIMULATED, Rows(1_000, 1, edges=True))
        for source in sources[::10]:
            answers = []
            for fast in (True, False):
                with Caller(source, SIMULATED, sandbox, limits, fast=fast) as caller:
                    answers.append(caller(columns).tobytes())
            assert answers[0] == answers[1], source
        seconds: dict[str, list[float]] = {}
        values: dict[str, list[float]] = {}
        for source in sources:
            cost = TASK.examine(source, sandbox).timings["cpu_seconds"]
            seconds.setdefault("properties", []).append(cost)
            for rung in range(judge.rungs):
                spent, verdict = timed(lambda rung=rung, source=source: judge.proxy(source, rung, sandbox))
                seconds.setdefault(f"rung {rung}", []).append(spent)
                values.setdefault(f"rung {rung}", []).append(verdict.score.value)
            for name in SHOWN:
                values.setdefault(name, []).append(verdict.metrics[name].value)
            spent, verdict = timed(lambda source=source: judge.north_star(source, "selection", 0, 1, sandbox))
            seconds.setdefault("north star", []).append(spent)
            values.setdefault("north star", []).append(verdict.score.value)
    print(f"{judge.data}; {len(sources)} formulas, late active days {span(values['north star'])}")
    print(f"{'':12}{'CPU ms':>8}   {'rank correlation with the north star':36}   of the better half")
    star = np.array(values["north star"])
    better = star >= np.median(star)
    for name in dict.fromkeys((*seconds, *values)):
        cost = f"{1e3 * float(np.median(seconds[name])):8.1f}" if name in seconds else " " * 8
        line = f"{name:12}{cost}"
        if name in values and name != "north star":
            mine = np.array(values[name])
            line += f"   {correlation(mine, star):36}   {correlation(mine[better], star[better])}"
        print(line)


def span(values: list[float]) -> str:
    """The range in words."""
    return f"{min(values):.2f} to {max(values):.2f}"


def correlation(one: np.ndarray, other: np.ndarray) -> str:
    """Spearman's with its interval."""
    found = spearman_interval(one, other, np.random.default_rng(0))
    return f"{found.estimate:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
