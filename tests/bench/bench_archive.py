"""What the archive costs per candidate, and whether that grows: `python tests/bench/bench_archive.py`.

CPU microseconds of this process per candidate: the median of generations of 16 evaluations, at 1,000 and at
100,000 programs in the archive. One candidate is two look-ups for duplicates, three recorded calls and its
share of one committed generation.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recevolve.population.archive.archive import Archive
from recevolve.population.island.island import Member, cull, select
from recevolve.population.island.randomness import generator
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

BIRTHS, CALLS, REPEATS, FILLING, SIZES = 16, 3, 100, 500, (1_000, 100_000)
SOURCE = "def update(grad, state, param, step, hp):\n    return param - hp['lr'] * grad, state\n" * 8


class Stopwatch:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds.setdefault(name, []).append(time.process_time() - started)

    def medians(self) -> dict[str, float]:
        """Microseconds per candidate."""
        return {name: statistics.median(each) / BIRTHS * 1e6 for name, each in self.seconds.items()}


def evaluations_of(generation: int, count: int) -> list[Evaluation]:
    evaluations = []
    for slot in range(count):
        program = Program(
            "optimizer", f"{SOURCE}# {generation} {slot}", ("0" * 16,), "syntax", "scale a constant"
        )
        verdict = Verdict(Status.SCORED, Metric(float(slot), 0.1, 3), metrics={"log_loss": Metric(0.6)})
        evaluation = Evaluation(
            0, generation, slot, program, program.id, verdict, "proxy 2", program.id, None, ("a",), 40
        )
        evaluations.append(evaluation)
    return evaluations


def member_of(evaluation: Evaluation) -> Member:
    score = evaluation.verdict.score
    assert score is not None
    return Member(
        evaluation.program.id,
        evaluation.program.source,
        score.value,
        evaluation.program.id,
        evaluation.cell,
        evaluation.size,
    )


def one_generation(archive: Archive, generation: int, watch: Stopwatch) -> None:
    """What the engine asks of the archive for one generation."""
    evaluations = evaluations_of(generation, BIRTHS)
    ledger = archive.ledger()
    with watch.measuring("resume: read a population"):
        old = archive.population(0, generation - 1)
    with watch.measuring("select"):
        for evaluation in evaluations:
            select(old, generator(0, "select", 0, generation, evaluation.slot), 2)
    with watch.measuring("duplicates"):
        for evaluation in evaluations:
            archive.duplicate(0, "syntax_hash", evaluation.syntax_hash, generation)
            archive.duplicate(0, "behaviour", evaluation.program.id, generation)
    with watch.measuring("record calls"):
        for evaluation in evaluations:
            for call in range(CALLS):
                key = {"kind": "optimizer", "program": evaluation.program.id, "stage": "proxy", "rung": call}
                ledger.record(key, evaluation.verdict.to_json())
    with watch.measuring("cull"):
        population = cull([*old, *map(member_of, evaluations)], 24)
    with watch.measuring("commit"):
        archive.commit_generation(0, generation, population=population, evaluations=evaluations)


def fill(archive: Archive, size: int) -> None:
    """Puts `size` programs and their recorded calls into a new archive."""
    archive.connection.execute("PRAGMA synchronous = OFF")
    for generation in range(size // FILLING):
        evaluations = evaluations_of(generation, FILLING)
        calls = (
            (f"{evaluation.program.id}{call:048d}", "x" * 300)
            for evaluation in evaluations
            for call in range(CALLS)
        )
        archive.connection.execute("BEGIN")
        archive.connection.executemany(
            "INSERT INTO ledger (key, call, value, timings, created) VALUES (?, ?, '{}', '', '')", calls
        )
        archive.connection.execute("COMMIT")
        population = [member_of(evaluation) for evaluation in evaluations[:24]]
        archive.commit_generation(0, generation, population=population, evaluations=evaluations)
    archive.connection.execute("PRAGMA synchronous = FULL")


def main() -> None:
    watches = [Stopwatch() for _ in SIZES]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_archives:
        archives = []
        for size in SIZES:
            archive = open_archives.enter_context(Archive.create_or_open(Path(folder) / f"{size}.db"))
            fill(archive, size)
            archives.append(archive)
        for repeat in range(REPEATS):  # in turns, so that a busy moment of the machine strikes both
            for archive, size, watch in zip(archives, SIZES, watches, strict=True):
                one_generation(archive, size // FILLING + repeat, watch)
    small, large = (watch.medians() for watch in watches)
    print(f"{'CPU microseconds per candidate':<32}{SIZES[0]:>12,}{SIZES[1]:>12,}{'ratio':>8}")
    small["all of it"], large["all of it"] = sum(small.values()), sum(large.values())
    for name, micros in small.items():
        print(f"{name:<32}{micros:>12.0f}{large[name]:>12.0f}{large[name] / micros:>8.2f}")


if __name__ == "__main__":
    main()
