"""What a second of CPU buys: how well proxies of several lengths rank optimizers as the north star does.

    python tests/bench/bench_fidelity.py                            # half an hour on two cores
    python tests/bench/bench_fidelity.py --programs 40 --folds 6

Three logs at once: MovieLens-100k by users, the same by time, and a synthetic log of less skew. The
programs are the seeds and mutants of them that hold every property; each is judged at matched steps. The
north star is the mean of several selection folds. A proxy is a last rung: so many training rows, at so many
rates, refined from a first rung of a tenth. For each the table shows the CPU seconds of a program,
Spearman's correlation with the north star of each log, the mean over logs, and the correlation with the
mean rank on the *other* logs: what a proxy says of rules in general. Intervals come from resampled
programs. `default` is what `recevolve` uses.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.judge import OptimizerJudge
from recevolve.evaluators.optimizer.settings import Settings
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.evaluators.statistics import spearman_interval
from recevolve.population.values.verdict import Status

LIMITS = Limits(cpu_seconds=120.0)
LOGS = {
    "movielens": {"source": "movielens-100k", "split": "user"},
    "movielens by time": {"source": "movielens-100k", "split": "time"},
    "synthetic, less skew": {"source": "synthetic", "seed": 5, "skew": 0.6, "split": "user"},
}
PROXIES: dict[str, dict[str, object]] = {
    **{
        f"{rows:,} rows, {count} rates": {
            "rung_rows": (max(rows // 10, 2_000), rows),
            "rung_factors": (4, count),
        }
        for rows in (8_000, 16_000, 30_000, 60_000, 90_000)
        for count in (1, 3)
    },
    "90,000 rows, 1 checkpoint": {"rung_rows": (9_000, 90_000), "rung_factors": (4, 3), "checkpoints": 1},
    "default": {},
}
Found = tuple[list[float] | None, dict[str, tuple[float, float]]]
"""(the score on each fold, (score, CPU seconds) by proxy)."""


def bred(count: int) -> list[str]:
    """The seeds, and mutants of them, in their canonical text."""
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    parents = [Parent(name, source) for name, source in TASK.seeds.items()]
    programs = [canonical(source) for source in TASK.seeds.values()]
    behaviours: set[object] = set()
    with Sandbox(TASK.preload) as sandbox:
        for number in range(100 * count):
            rng = np.random.Generator(np.random.Philox(key=[23, number]))
            pair = [parents[place] for place in rng.permutation(len(parents))[:2]]
            source = canonical(proposer.mutant(pair, rng).source)
            verdict = TASK.examine(source, sandbox)
            if verdict.status is Status.SCORED and verdict.facts["behaviour"] not in behaviours:
                behaviours.add(verdict.facts["behaviour"])
                programs.append(source)
            if len(programs) == len(TASK.seeds) + count:
                break
    return programs


def measured(log: str, folds: int, source: str) -> Found:
    """What the north star and each proxy say of a program on one log."""
    torch.set_num_threads(1)
    proxies = {}
    with Sandbox(TASK.preload) as sandbox:
        for name, settings in PROXIES.items():
            judge = OptimizerJudge(LOGS[log], {"transfer": False, **settings}, LIMITS, "bench")
            begun, inside = time.process_time(), 0.0
            for rung in range(judge.rungs):
                verdict = judge.proxy(source, rung, sandbox)
                inside += verdict.timings.get("cpu_seconds", 0.0)
            score = verdict.score.value if verdict.score else float("nan")
            proxies[name] = score, inside + time.process_time() - begun
        judge = OptimizerJudge(LOGS[log], {"transfer": False}, LIMITS, "bench")
        stars = [judge.north_star(source, "selection", fold, 10, sandbox) for fold in range(1, folds + 1)]
    scores = [verdict.score.value for verdict in stars if verdict.score]
    return (scores if len(scores) == folds else None), proxies


def correlation(one: Sequence[float], other: Sequence[float]) -> str:
    """Spearman's correlation with its interval."""
    found = spearman_interval(one, other, np.random.Generator(np.random.Philox(0)))
    return f"{found.estimate:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def told(found: Mapping[str, Sequence[Found]], title: str) -> Table:
    """The table of proxies, the cheapest first."""
    good = [
        place
        for place in range(len(next(iter(found.values()))))
        if all(
            rows[place][0] and all(np.isfinite(score) for score, _ in rows[place][1].values())
            for rows in found.values()
        )
    ]
    stars = {log: [float(np.mean(rows[place][0] or [])) for place in good] for log, rows in found.items()}
    table = Table("proxy", "CPU s", *found, "mean", "other logs", title=f"{title}, {len(good)} programs")
    half = {
        log: [[float(np.mean((rows[place][0] or [])[part::2])) for place in good] for part in range(2)]
        for log, rows in found.items()
    }
    table.add_row("north star, half of its folds", "", *(correlation(*half[log]) for log in found), "", "")
    seconds = {
        name: float(np.mean([rows[place][1][name][1] for rows in found.values() for place in good]))
        for name in PROXIES
    }
    for name in sorted(PROXIES, key=lambda each: seconds[each]):
        says = {log: [rows[place][1][name][0] for place in good] for log, rows in found.items()}
        own = {
            log: spearman_interval(says[log], stars[log], np.random.default_rng(0)).estimate for log in found
        }
        ranks = {log: rankdata(stars[log]) for log in found}
        others = [
            spearman_interval(
                says[log],
                np.mean([ranks[each] for each in found if each != log], axis=0),
                np.random.default_rng(0),
            ).estimate
            for log in found
        ]
        cells = [correlation(says[log], stars[log]) for log in found]
        means = [f"{np.mean(list(own.values())):+.2f}", f"{np.mean(others):+.2f}"]
        table.add_row(name, f"{seconds[name]:.2f}", *cells, *means)
    return table


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--programs", type=int, default=24, help="mutants beside the seeds")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    programs = bred(options.programs)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        found = {log: list(pool.map(partial(measured, log, options.folds), programs)) for log in LOGS}
    title = f"rank correlation with {options.folds} folds; default {Settings().rung_rows}"
    Console(width=170).print(told(found, title))


if __name__ == "__main__":
    main()
