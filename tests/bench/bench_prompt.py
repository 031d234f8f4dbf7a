"""What a prompt costs, and whether that grows with the run: `python tests/bench/bench_prompt.py`.

CPU milliseconds of this process, medians over generations, at 1,000 and 100,000 evaluations on four islands.
"first journal" is what a run pays once when it starts or is continued.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recevolve.engine.config.config import Config, parse
from recevolve.engine.loop.proposer import Parent, Place, Request
from recevolve.engine.propose.journal import Journal, render
from recevolve.engine.propose.llm.prompts.prompt import Prompts, count
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.task import Task
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

SIZES, ISLANDS, BIRTHS, REPEATS, EVERY = (1_000, 100_000), 4, 16, 20, 5
SOURCE = next(iter(registry.find("optimizer").seeds.values()))


def evaluation(island: int, generation: int, slot: int, home: Program | None) -> Evaluation:
    """A scored change of a number; one in four fails."""
    number = (generation * BIRTHS + slot) * ISLANDS + island
    source = SOURCE.replace("0.1", f"{0.1 + number * 1e-7:.9g}").replace("1e-10", f"{1 + number}e-10")
    program = Program(
        "optimizer", source + f"# {number}\n", (home.id,) if home else (), "syntax", f"try {number}"
    )
    verdict = Verdict(Status.SCORED, Metric(-0.6 + (number * 7919 % 9973) / 1e5, 0.001, 9))
    if home and slot % 4 == 3:
        verdict = Verdict(Status.INVALID, reason=f"state `m{number}` must be finite, got {number}.5")
    stage = "proxy 2" if verdict.score else "properties"
    return Evaluation(
        island, generation, slot, program, program.id, verdict, stage, program.id, None, (str(slot),), 40
    )


class Bench:
    """A run of some size, and its prompts."""

    def __init__(self, folder: Path, size: int, task: Task) -> None:
        self.config: Config = parse(
            {"kind": "optimizer", "run_dir": str(folder), "north_star": {"every": EVERY}}
        )
        self.archive = Archive.create_or_open(folder / "archive.db")
        self.archive.connection.execute("PRAGMA synchronous = OFF")
        self.home = evaluation(0, 0, 0, None).program
        self.done = -1
        while (self.done + 1) * BIRTHS * ISLANDS < size:
            self.grow()
        self.journal = Journal(self.archive, self.config)
        self.prompts = Prompts(task, self.config, self.journal)

    def grow(self) -> None:
        """One more generation of every island."""
        self.done += 1
        for island in range(ISLANDS):
            parent = self.home if self.done else None
            evaluations = [evaluation(0, 0, 0, None)] if not self.done else []
            evaluations += [
                evaluation(island, self.done, slot, parent) for slot in range(bool(evaluations), BIRTHS)
            ]
            evaluations = [self._placed(one, island) for one in evaluations]
            members = [
                Member(
                    one.program.id, one.program.source, one.verdict.score.value, one.program.id, one.cell, 40
                )
                for one in evaluations
                if one.verdict.score
            ]
            self.archive.commit_generation(island, self.done, population=members, evaluations=evaluations)

    def _placed(self, one: Evaluation, island: int) -> Evaluation:
        return Evaluation(island, *(getattr(one, name) for name in list(Evaluation.__dataclass_fields__)[1:]))

    def request(self, slot: int) -> Request:
        """The next request of the first island."""
        population = self.archive.population(0, self.done)
        parents = tuple(Parent(one.program_id, one.source, one.score) for one in population[slot : slot + 2])
        return Request(Place(0, self.done + 1, slot), parents, np.random.default_rng(0), population)


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    """(CPU milliseconds, what came of it)."""
    started = time.process_time()
    result = work()
    return (time.process_time() - started) * 1e3, result


def rows(bench: Bench) -> dict[str, float]:
    """The table's column of one size."""
    first, _ = measured(lambda: bench.journal.entries(0, bench.done + 1))
    journals, prompts, again = [], [], []
    for _ in range(REPEATS):
        bench.grow()
        cost, _ = measured(lambda: render(bench.journal.entries(0, bench.done + 1)))
        journals.append(cost)
        cost, messages = measured(lambda: bench.prompts.messages(bench.request(0), "edits"))
        prompts.append(cost)
        cost, _ = measured(lambda: bench.prompts.messages(bench.request(1), "edits"))
        again.append(cost)
    return {
        "first journal of a session": first,
        "journal of a new generation": statistics.median(journals),
        "prompt": statistics.median(prompts),
        "prompt of the next slot": statistics.median(again),
        "tokens of the prompt (estimate)": count(messages),
    }


def main() -> None:
    task = registry.find("optimizer")
    columns = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), size, task)
            columns.append(rows(bench))
            bench.archive.close()
    small, large = columns
    print(f"{'CPU milliseconds':<34}{SIZES[0]:>12,}{SIZES[1]:>12,}{'ratio':>8}")
    for name, cost in small.items():
        print(f"{name:<34}{cost:>12.2f}{large[name]:>12.2f}{large[name] / cost:>8.2f}")


if __name__ == "__main__":
    main()
