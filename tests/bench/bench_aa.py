"""How often a copy of production is called a gain: `python tests/bench/bench_aa.py [pipelines [first seed]]`.

Each pipeline is a whole one (candidates, promotion round, final race, claim, decision) of the kind
`optimizer` on a small synthetic log with its own seeds. Its only candidates are production again: at another
rate, with another epsilon, and with gradients that are jittered by up to 2 % around what they are, which no
fingerprint takes for production and which changes nothing on average. The known methods are jittered copies
too. So no decision to launch or to switch is right. Prints how often there is one, with a 95 % interval; the
exit status is 1 above 5 %.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from scipy import stats

from recevolve.engine.claim import conclude
from recevolve.engine.config.config import parse
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.proposer import Proposal, Request
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.north_star.promotion import Promotions
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.task import Judge, Task
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Stage
from recevolve.population.values.verdict import Metric, Status, Verdict

PIPELINES = 200
MOST = 0.05
FOLDS = 6
DATA = {"source": "synthetic", "rows": 3_000}
SETTINGS = {
    "batch": 256,
    "rung_rows": (800, 1_600),
    "rung_factors": (4, 3),
    "epochs": 1.0,
    "checkpoints": 3,
    "folds": FOLDS + 1,
    "transfer": False,
    "guard_steps": 4,
}
LIMITS = Limits(cpu_seconds=60.0, memory_mb=2048)
UNGUARDED = Verdict(Status.SCORED, Metric(0.0), metrics={"step_time_ratio": Metric(1.0)})
"""Times say nothing here, and to take them would cost most of a pipeline."""
READINGS = {"seconds": 0.0, "evaluating_share": 0.0}


JITTERS = (
    "torch.sin(1e5 * grad + {}.0)",
    "torch.cos(1e5 * grad + {}.0)",
    "2.0 * torch.sin(1e5 * grad + {0}.0) * torch.cos(1e5 * grad + {0}.0)",
    "torch.sin(2e5 * grad + {}.0) - torch.cos(1e5 * grad)",
    "torch.cos(2e5 * grad + {}.0) - torch.cos(1e5 * grad)",
)
"""Numbers around 0 that look random, by forms of which an island keeps one of each."""


def jittered(source: str, form: int, phase: int) -> str:
    """Adagrad whose gradients are multiplied by numbers around 1 that look random."""
    jitter = JITTERS[form].format(phase)
    return source.replace("    total = ", f"    grad = grad * (1.0 + 0.02 * ({jitter}))\n    total = ")


def copies(source: str, seed: int) -> list[str]:
    """The candidates of a pipeline: production at another rate, with another epsilon, and jittered."""
    rate = 0.1 * (0.8 + 0.4 * (seed % 17) / 16)
    return [
        source.replace('"lr": 0.1', f'"lr": {rate:.4g}'),
        source.replace('"eps": 1e-10', '"eps": 1.01e-10'),
        *(jittered(source, form, 3 * seed + 1) for form in range(3)),
    ]


@cache
def shared_sandbox() -> Sandbox:
    """One for all pipelines of this process."""
    return Sandbox(registry.find("optimizer").preload)


@dataclass
class InProcess:
    """An executor that judges here, in a sandbox."""

    task: Task
    judge_of_kind: Judge
    busy_seconds: float = field(default=0.0, init=False)

    async def terms(self) -> Terms:
        judge = self.judge_of_kind
        return Terms(judge.fingerprint, judge.rungs, FOLDS, 2, judge.data)

    async def judge(self, call: Call) -> Verdict:
        sandbox, judge = shared_sandbox(), self.judge_of_kind
        match call.stage:
            case Stage.PROPERTIES:
                return self.task.examine(call.source, sandbox)
            case Stage.PROXY:
                return judge.proxy(call.source, call.number, sandbox)
            case Stage.GUARD:
                return UNGUARDED
            case _:
                # the first fold is audited, which costs more than all others together
                return judge.north_star(call.source, call.split, call.number + 1, call.of + 1, sandbox)

    def close(self) -> None:
        pass


@dataclass
class Copies:
    """A proposer that says each copy once."""

    sources: list[str]

    async def propose(self, request: Request) -> Proposal:
        return Proposal(self.sources.pop(), (request.parents[0].program_id,), "copy", "production again")


def pipeline(seed: int) -> dict[str, Any]:
    """The decision of one pipeline."""
    return asyncio.run(_pipeline(seed))


async def _pipeline(seed: int) -> dict[str, Any]:
    begun, whole = time.perf_counter(), registry.find("optimizer")
    production = whole.seeds["adagrad"]
    known = {f"copy_{number}": jittered(production, 3 + number, 3 * seed + 2) for number in range(2)}
    task = replace(whole, seeds={"adagrad": production, **known})
    candidates = copies(production, seed)
    with tempfile.TemporaryDirectory() as folder:
        config = parse(
            {
                "kind": "optimizer",
                "seed": seed,
                "run_dir": folder,
                "seeds": ["adagrad"],
                "data": {**DATA, "seed": seed},
                "population": {"islands": 1, "births": len(candidates)},
                "proxy": {"rungs": 2, "keep": 1.0},
                "north_star": {"every": 1, "slots": 8, "folds": 3},
                "optimizer": {**SETTINGS, "seed": seed},
            }
        )
        executor = InProcess(task, task.judge(config.data.table(), config.settings, LIMITS))
        terms = await executor.terms()
        with Archive.create_or_open(Path(folder) / "archive.db") as archive:
            archive.begin({"config": config.model_dump(mode="json"), "terms": asdict(terms)}, seed, "bench")
            search = SearchContext(
                config,
                task,
                terms,
                seeds_for(config, task),
                archive,
                archive.ledger(),
                Copies(candidates),
                executor,
            )
            population: Any = ()
            for number in (0, 1):
                made = await generation(search, 0, number, population)
                archive.commit_generation(
                    0, number, population=made.population, evaluations=made.evaluations, statistics=made.notes
                )
                population = made.population
                await Promotions().hold(search, number, Progress())
            report = await conclude(search, "enough", (), READINGS, Progress())
    return {**report["decision"], "seconds": time.perf_counter() - begun, "raced": len(report["race"])}


def main() -> None:
    """Prints each decision that is wrong, and the rate."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PIPELINES
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found = []
    with ProcessPoolExecutor(2) as pool:
        for seed, one in enumerate(pool.map(pipeline, range(first, first + count)), first):
            found.append(one)
            if one["decision"] in ("launch", "switch"):
                print(f"pipeline {seed}: {one['line']}", flush=True)
    verbs = Counter(one["decision"] for one in found)
    wrong = verbs["launch"] + verbs["switch"]
    ends = stats.binomtest(wrong, count).proportion_ci(0.95)
    print(", ".join(f"{verb} {times}" for verb, times in verbs.most_common()))
    raced, seconds = (sum(one[name] for one in found) / count for name in ("raced", "seconds"))
    print(
        f"{wrong} of {count} pipelines call a copy of production a gain: {wrong / count:.1%} "
        f"[{ends.low:.1%}, {ends.high:.1%}]; {raced:.1f} programs raced, {seconds:.1f} s a pipeline"
    )
    sys.exit(wrong > MOST * count)


if __name__ == "__main__":
    main()
