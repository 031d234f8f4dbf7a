"""Kernels evolved from a deliberately poor one, with no GPU and no model: what the search found, by estimate.

    python tests/bench/bench_kernel_search.py --seeds 0 1 2
    python tests/bench/bench_kernel_search.py --mutants 40

The first runs `examples/kernel.toml` for each seed and prints the start, what was found, and our best
hand-written program under the same estimate. The second says what share of the seed programs' mutants passes
the gate.
Every figure is a share of the roofline by a static estimate, never a measured time.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recevolve.engine.config.config import Config, read
from recevolve.engine.config.run_dir import archive_of
from recevolve.engine.config.task import task_for
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, LocalExecutor
from recevolve.engine.loop.proposer import NoProposal, Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.engine.runs.session import work
from recevolve.evaluators.language.canonical import canonical
from recevolve.kernels.operators import OPERATORS
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Stage

EXAMPLE = Path(__file__).parents[2] / "examples" / "kernel.toml"
HAND_WRITTEN = "pairwise_dot"
CLOSE = 0.9
"""The share of the hand-written program's estimate that the search should reach."""


def found(config: Config) -> Mapping[str, Any]:
    """The report of a run, and by the claim's estimate the start, the winner and the hand-written program."""
    report = asyncio.run(work(config, Progress()))
    shares = {
        arm["name"]: arm["metrics"]["estimated_share"]["mean"] for arm in report["arms"] if "metrics" in arm
    }
    with Archive.read(archive_of(config.run_dir)) as archive:
        made = {one.program.made_by for one in archive.lineage(report["winner"]["program"])}
    assert {each for each in made if each.startswith("seed")} <= {
        "seed poor"
    }  # nothing better was among its parents
    return {
        "start": shares["poor"],
        "winner": shares.get("winner", shares["poor"]),
        "hand": shares[HAND_WRITTEN],
        "trials": report["trials"],
        "minutes": report["timings"]["seconds"] / 60,
    }


def searches(seeds: list[int], seconds: float | None) -> None:
    """Prints one row for each seed."""
    heads = ("start", "found", "hand-written", "of it", "minutes", "candidates")
    print(f"{'seed':>4}" + "".join(f" {head:>12}" for head in heads))
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            changes = [f"seed={seed}", f"run_dir={folder}/run"]
            changes += [f"budget.seconds={seconds}"] if seconds else []
            row = found(read(EXAMPLE, changes))
        share = row["winner"] / row["hand"]
        cells = [f"{row[name]:.1%}" for name in ("start", "winner", "hand")]
        cells += [f"{share:.0%}", f"{row['minutes']:.1f}", f"{row['trials']:,}"]
        note = "" if share >= CLOSE else "  not within 10 %"
        print(f"{seed:>4}" + "".join(f" {cell:>12}" for cell in cells) + note)


def mutants(operator: str, count: int, config: Config) -> Iterator[str]:
    """A mutant of each of the operator's seed programs in turn."""
    task = task_for(config)
    parents = [Parent(name, source) for name, source in task.seeds.items()]
    proposer = SyntaxProposer(task.vocabulary, task.rules, own=task.edits)
    for number in range(count):
        rng = np.random.Generator(np.random.Philox(number))
        order = [parents[(number + step) % len(parents)] for step in range(min(2, len(parents)))]
        try:
            yield proposer.mutant(order, rng).source
        except NoProposal:
            continue


async def gated(count: int) -> None:
    """Prints what became of mutants, by operator."""
    for operator in OPERATORS:
        with tempfile.TemporaryDirectory() as folder:
            changes = [f"kernel.operator={operator}", "kernel.shapes=[]", f"run_dir={folder}/run"]
            config = read(EXAMPLE, [*changes, "seeds=[]"])
            executor, ends = LocalExecutor(config), Counter[str]()
            for source in mutants(operator, count, config):
                verdict = await executor.judge(Call(Stage.PROPERTIES, canonical(source)))
                ends["passes" if verdict.score else verdict.reason.partition(":")[0][:60]] += 1
            executor.close()
        passed = ends.pop("passes", 0)
        total = passed + ends.total()
        print(f"{operator}: {passed} of {total} mutants pass the gate ({passed / max(total, 1):.0%})")
        for reason, number in ends.most_common(4):
            print(f"    {number} {reason}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="seeds of searches")
    parser.add_argument("--seconds", type=float, help="of each search; by default as the example has it")
    parser.add_argument("--mutants", type=int, help="mutants for each operator, in place of searches")
    arguments = parser.parse_args()
    if arguments.mutants:
        asyncio.run(gated(arguments.mutants))
    else:
        searches(arguments.seeds, arguments.seconds)


if __name__ == "__main__":
    main()
