"""What the engine costs per candidate, evaluation left out: `python tests/bench/bench_engine.py`.

CPU milliseconds of this process for everything that the search does itself (propose by syntax edits, check,
canonical form and hash, duplicates, selection, culling, ledger, committing), with judges that answer at once.
Measured with 1,000 and with 100,000 programs in the archive, generations in turn, medians.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from recevolve.engine.config.config import parse
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

SIZES, GENERATIONS, FILLING = (1_000, 100_000), 30, 1_000


@dataclass
class Instant:
    """Answers every call at once, as a function of the source alone."""

    workers: int = 1
    busy_seconds: float = 0.0

    async def terms(self) -> Terms:
        return Terms("instant", 3, 10, 1, "no data")

    async def judge(self, call: Call) -> Verdict:
        digest = sha256(call.source.encode()).hexdigest()
        return Verdict(
            Status.SCORED,
            Metric(-0.5 - int(digest[:6], 16) / 1e9, 0.001, 20_000),
            metrics={
                "log_loss": Metric(0.5, 0.001, 20_000),
                "auc": Metric(0.7),
                "step_time_ratio": Metric(1.0),
            },
            facts={"behaviour": digest[:16], "lr_factor": 1.0},
        )

    def close(self) -> None:
        pass


class Bench:
    """A search with one island over an archive of a given size."""

    def __init__(self, folder: Path, size: int) -> None:
        config = parse(
            {"kind": "optimizer", "run_dir": str(folder), "population": {"islands": 1}, "proxy": {"floor": 4}}
        )
        task = registry.find("optimizer")
        archive = Archive.create_or_open(folder / "archive.db")
        self.search = SearchContext(
            config,
            task,
            Terms("instant", 3, 10, 1, "no data"),
            seeds_for(config, task),
            archive,
            archive.ledger(),
            SyntaxProposer(task.vocabulary, task.rules),
            Instant(),
        )
        self.milliseconds: list[float] = []
        made = asyncio.run(generation(self.search, 0, 0, ()))
        archive.commit_generation(0, 0, population=made.population, evaluations=made.evaluations)
        self.population: Sequence[Member] = made.population
        self.number = 0
        while self.programs < size:
            self._fill()

    @property
    def programs(self) -> int:
        row = self.search.archive.connection.execute("SELECT count(*) FROM programs").fetchone()
        return int(row[0])

    def _fill(self) -> None:
        """One generation of programs that were never judged, to make the archive large."""
        self.number += 1
        verdict = Verdict(Status.INVALID, reason="filling")
        evaluations = []
        for slot in range(FILLING):
            program = Program("optimizer", f"{self.population[0].source}\n# {self.number} {slot}\n")
            evaluations.append(Evaluation(0, self.number, slot, program, program.id, verdict, "static"))
        self.search.archive.commit_generation(
            0, self.number, population=self.population, evaluations=evaluations
        )

    def measure(self) -> None:
        """One real generation."""
        self.number += 1
        begin = time.process_time()
        made = asyncio.run(generation(self.search, 0, self.number, tuple(self.population)))
        self.search.archive.commit_generation(
            0, self.number, population=made.population, evaluations=made.evaluations
        )
        self.milliseconds.append((time.process_time() - begin) / len(made.evaluations) * 1e3)
        self.population = made.population


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(Path(folder) / str(size), size) for size in SIZES]
        for _ in range(GENERATIONS):
            for bench in benches:
                bench.measure()
        medians = [statistics.median(bench.milliseconds) for bench in benches]
    print("programs in the archive   CPU ms per candidate")
    for size, median in zip(SIZES, medians, strict=True):
        print(f"{size:>23,}   {median:20.2f}")
    print(f"ratio {medians[1] / medians[0]:.2f} (at most 1.20 wanted), at most 5 ms wanted")


if __name__ == "__main__":
    main()
