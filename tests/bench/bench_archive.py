"""What the archive costs per candidate, and whether that grows: `python tests/bench/bench_archive.py`.

CPU microseconds of this process per candidate: the median of generations of 16 births, at 1,000 and at
100,000 programs in the archive. One candidate is two look-ups for twins, three recorded calls and its
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
    births = []
    for slot in range(count):
        program = Program(
            "optimizer", f"{SOURCE}# {generation} {slot}", ("0" * 16,), "syntax", "scale a constant"
        )
        verdict = Verdict(Status.SCORED, Metric(float(slot), 0.1, 3), metrics={"log_loss": Metric(0.6)})
        birth = Evaluation(
            0, generation, slot, program, program.id, verdict, "proxy 2", program.id, None, ("a",), 40
        )
        births.append(birth)
    return births


def member_of(birth: Evaluation) -> Member:
    score = birth.verdict.score
    assert score is not None
    return Member(
        birth.program.id, birth.program.source, score.value, birth.program.id, birth.cell, birth.size
    )


def one_generation(archive: Archive, generation: int, watch: Stopwatch) -> None:
    """What the engine asks of the archive for one generation."""
    births = evaluations_of(generation, BIRTHS)
    ledger = archive.ledger()
    with watch.measuring("resume: read a population"):
        old = archive.population(0, generation - 1)
    with watch.measuring("select"):
        for birth in births:
            select(old, generator(0, "select", 0, generation, birth.slot), 2)
    with watch.measuring("twins"):
        for birth in births:
            archive.duplicate_by_syntax(0, birth.syntax_hash, generation)
            archive.duplicate_by_behaviour(0, birth.program.id, generation)
    with watch.measuring("record calls"):
        for birth in births:
            for call in range(CALLS):
                key = {"kind": "optimizer", "program": birth.program.id, "stage": "proxy", "rung": call}
                ledger.record(key, birth.verdict.to_json())
    with watch.measuring("cull"):
        population = cull([*old, *map(member_of, births)], 24)
    with watch.measuring("commit"):
        archive.commit_generation(0, generation, population=population, evaluations=births)


def fill(archive: Archive, size: int) -> None:
    """Puts `size` programs and their recorded calls into a new archive."""
    archive.connection.execute("PRAGMA synchronous = OFF")
    for generation in range(size // FILLING):
        births = evaluations_of(generation, FILLING)
        calls = ((f"{birth.program.id}{call:048d}", "x" * 300) for birth in births for call in range(CALLS))
        archive.connection.execute("BEGIN")
        archive.connection.executemany(
            "INSERT INTO ledger (key, call, value, timings, created) VALUES (?, ?, '{}', '', '')", calls
        )
        archive.connection.execute("COMMIT")
        population = [member_of(birth) for birth in births[:24]]
        archive.commit_generation(0, generation, population=population, evaluations=births)
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
