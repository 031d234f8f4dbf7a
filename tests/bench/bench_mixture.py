"""What tuning constants adds to editing syntax: `python tests/bench/bench_mixture.py [seeds]`.

Three planted kinds, searched by the real engine with the bandit's mixture of syntax edits and constants, with
syntax edits alone and with constants alone, until each has had the same number of candidates evaluated. One
line per kind: the best score of each (mean over seeds, higher is better), and how far the mixture is ahead of
the others, paired by seed, with 95% intervals.

Candidates run in this process, because they come from our own edits of our own seeds and pass the static
check: a sandbox would take most of the time and change no result.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recevolve.engine.config.config import parse
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.propose.constants.proposer import ConstantsProposer
from recevolve.engine.propose.mixture import Mixture
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.sandbox import Outcome
from recevolve.evaluators.statistics import paired
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Stage
from recevolve.population.values.verdict import Verdict

PLANTED = Path(__file__).parents[1] / "planted"
KINDS = ("convex", "reward", "expression")
CONDITIONS = {"mixture": ("syntax", "constants"), "syntax": ("syntax",), "constants": ("constants",)}
SEEDS, EVALUATIONS, MOST_GENERATIONS = 10, 640, 80


class Unwalled:
    """Runs a candidate as a sandbox's plainest runner does, here and now."""

    def run(
        self, runner: str, text: str, *, parameters: Mapping[str, Any], inputs: Any, limits: Any
    ) -> Outcome:
        """What the candidate's function gives."""
        namespace: dict[str, Any] = {}
        try:
            with np.errstate(all="ignore"):
                exec(compile(text, "<candidate>", "exec"), namespace)
                out = np.asarray(namespace[parameters["function"]](**inputs[0].arrays))
        except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as error:
            return Outcome("raised", text=f"{type(error).__name__}: {error}")
        return Outcome("finished", {"out": out})


@dataclass
class InProcess:
    """An executor that judges here, and counts the candidates that it was asked to judge."""

    task: Task
    workers: int = 1
    busy_seconds: float = 0.0
    judged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.judge_of_kind = self.task.judge({}, {}, None)  # type: ignore[arg-type]

    async def terms(self) -> Terms:
        judge = self.judge_of_kind
        return Terms(judge.fingerprint, judge.rungs, judge.folds, 0, judge.data)

    async def judge(self, call: Call) -> Verdict:
        if call.stage == Stage.PROPERTIES:
            return self.task.examine(call.source, Unwalled())  # type: ignore[arg-type]
        self.judged.add(call.source)
        return self.judge_of_kind.proxy(call.source, call.number, Unwalled())  # type: ignore[arg-type]

    def close(self) -> None:
        pass


def search(kind: str, arms: tuple[str, ...], seed: int) -> float:
    """The best score after EVALUATIONS candidates."""
    return asyncio.run(_search(kind, arms, seed))


async def _search(kind: str, arms: tuple[str, ...], seed: int) -> float:
    task = registry.find(kind, [PLANTED / kind])
    with tempfile.TemporaryDirectory() as folder:
        raw = {"kind": kind, "seed": seed, "run_dir": folder, "tasks": [str(PLANTED / kind)]}
        config = parse({**raw, "population": {"islands": 1}, "proxy": {"rungs": 2}})
        executor = InProcess(task)
        terms = await executor.terms()
        with Archive.create_or_open(Path(folder) / "archive.db") as archive:
            archive.begin({"config": config.model_dump(mode="json")}, seed, "bench")
            every = {
                "syntax": SyntaxProposer(task.vocabulary, task.rules),
                "constants": ConstantsProposer(archive, task.rules, task.vocabulary),
            }
            mixture = Mixture({arm: every[arm] for arm in arms}, archive, seed, rungs=2)
            seeds = seeds_for(config, task)
            searching = SearchContext(
                config, task, terms, seeds, archive, archive.ledger(), mixture, executor
            )
            population, best, number = (), float("-inf"), 0
            while len(executor.judged) < EVALUATIONS and number < MOST_GENERATIONS:
                made = await generation(searching, 0, number, population)
                archive.commit_generation(
                    0, number, population=made.population, evaluations=made.evaluations, statistics=made.notes
                )
                population, number = made.population, number + 1
                best = population[0].score
            return best


def main() -> None:
    """Prints the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    begun = time.perf_counter()
    print(
        f"{'kind':10} {'mixture':>9} {'syntax':>9} {'constants':>9}   mixture - syntax            - constants"
    )
    with ProcessPoolExecutor(2) as pool:
        for kind in KINDS:
            jobs = {
                name: [pool.submit(search, kind, arms, seed) for seed in range(count)]
                for name, arms in CONDITIONS.items()
            }
            best = {name: [job.result() for job in row] for name, row in jobs.items()}
            means = " ".join(f"{np.mean(row):9.4f}" for row in best.values())
            ahead = [paired(best["mixture"], best[name]) for name in ("syntax", "constants")]
            words = "   ".join(f"{one.estimate:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for one in ahead)
            print(f"{kind:10} {means}   {words}", flush=True)
    print(f"{count} seeds, {EVALUATIONS} candidates each, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
