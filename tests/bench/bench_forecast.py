"""Forecast against actual: seconds of calls and of parts of a run, for three kinds.

    python tests/bench/bench_forecast.py
    python tests/bench/bench_forecast.py --kinds reward

Each run is small and ends by its generations. A call's actual seconds are the mean over the run. The exit
status is 1 if the forecast of a phase, or of calls that make up a tenth of the run, is off by more than the
factor FACTOR. Both sides are wall clock: where other programs come and go, a forecast cannot know it.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from recevolve.engine.config.config import parse
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import LocalExecutor
from recevolve.engine.runs import session
from recevolve.population.values.evaluation import Stage

FACTOR = 1.5
SHARE = 0.1
"""Share of all seconds of workers below which calls are shown and not compared."""
SMALL: Mapping[str, Any] = {
    "population": {"islands": 2, "births": 8},
    "north_star": {"every": 2, "slots": 2, "folds": 2, "final_folds": 4, "finalists": 2, "ablations": 4},
    "budget": {"generations": 4, "seconds": 3000.0},
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "optimizer": {
        "seeds": ["adagrad"],
        "data": {"source": "synthetic", "rows": 40_000},
        "optimizer": {"rung_rows": [4_000, 10_000, 24_000], "epochs": 1.0},
    },
    "interaction": {
        "seeds": ["dcn_v2"],
        "data": {"source": "synthetic", "rows": 30_000},
        "interaction": {"rung_epochs": [0.5, 1.0, 1.5], "epochs": 1.5},
    },
    "reward": {"seeds": ["click"], "data": {"source": "simulated"}},
}


class Clocked(Progress):
    """Notes the forecast, and when which event was heard."""

    def __init__(self) -> None:
        self.forecast: Mapping[str, Any] = {}
        self.heard: dict[str, float] = {"begin": time.monotonic()}

    def say(self, event: str, **facts: Any) -> None:
        """Takes the time at which an event is heard first."""
        self.heard.setdefault(event, time.monotonic())
        if event == "forecast":
            self.forecast = facts


def compared(kind: str) -> Iterator[tuple[str, float, float, float]]:
    """(what, its forecast, its actual seconds, its share of the run) of one run."""
    executors: list[LocalExecutor] = []

    class Kept(LocalExecutor):
        """The run's own executor, which remembers its calls."""

        def __post_init__(self) -> None:
            super().__post_init__()
            executors.append(self)

    session.LocalExecutor = Kept  # type: ignore[misc]
    heard = Clocked()
    with tempfile.TemporaryDirectory() as folder:
        config = parse({**SMALL, **KINDS[kind], "kind": kind, "run_dir": f"{folder}/run"})
        report = asyncio.run(session.work(config, heard))
    end, foretold = time.monotonic(), heard.forecast
    calls = executors[0].spent

    busy = sum(map(sum, calls.values()))

    def found(stage: Stage, *numbers: int) -> tuple[float, float]:
        known = [seconds for number in numbers for seconds in calls.get((stage, number), ())]
        return sum(known) / max(len(known), 1), sum(known) / busy

    costs = foretold["costs"]
    rungs = len(costs["rungs"])
    yield "properties", costs["properties"], *found(Stage.PROPERTIES, 0)
    yield from ((f"rung {rung}", costs["rungs"][rung], *found(Stage.PROXY, rung)) for rung in range(rungs))
    yield "fold", costs["fold"], *found(Stage.NORTH_STAR, *range(1, 10))
    yield "fold 0, with audits", costs["audited"], *found(Stage.NORTH_STAR, 0)
    yield "guard", costs["guard"], *found(Stage.GUARD, 0)
    generations = max(report["generations"].values())
    search = foretold["seeds"] + generations * foretold["generation"]
    search += (1 + generations // foretold["every"]) * foretold["round"]
    yield "search", search, heard.heard["concluding"] - heard.heard["started"], 1.0
    yield "race, ablation, claim", foretold["conclusion"], end - heard.heard["concluding"], 1.0
    total = foretold["start"] + search + foretold["conclusion"]
    yield "the whole run", total, end - heard.heard["begin"], 1.0


def main() -> int:
    """The exit status: 1 where a forecast is off by more than FACTOR."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    off = False
    for kind in parser.parse_args().kinds:
        print(f"{kind:22} forecast    actual  actual / forecast  share of the run")
        for what, foretold, actual, share in compared(kind):
            ratio = actual / max(foretold, 1e-9)
            wrong = share >= SHARE and not 1 / FACTOR <= ratio <= FACTOR
            off = off or wrong
            mark = f"  off by more than {FACTOR:g}" if wrong else ""
            print(f"{what:22} {foretold:8.2f} {actual:9.2f} {ratio:18.2f} {share:17.0%}{mark}", flush=True)
    return int(off)


if __name__ == "__main__":
    sys.exit(main())
