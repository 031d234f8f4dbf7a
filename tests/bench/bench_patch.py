"""What exported optimizers take, against those of torch: time and temporaries of a step, in the sandbox.

    python tests/bench/bench_patch.py                # every seed
    python tests/bench/bench_patch.py RUN PROGRAM    # a program of a run

The aim: at most 1.2 times the time of `torch.optim.Adam(foreach=True)` and 1.5 times its memory, for rules
with as many state tensors. CPU time, one thread, medians.
"""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from recevolve.engine.config.run_dir import archive_of
from recevolve.engine.report import report
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.patch.benchmark import REFERENCES, STEPS
from recevolve.evaluators.optimizer.patch.trial import ADAM, costs
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.archive.archive import Archive


def main() -> None:
    """Prints a table for each workload."""
    programs = dict(TASK.seeds)
    if len(sys.argv) == 3:
        with Archive.read(archive_of(Path(sys.argv[1]))) as archive:
            programs = {sys.argv[2]: report.find(archive, sys.argv[2]).source}
    tables: dict[str, Table] = {}
    with Sandbox(TASK.preload) as sandbox:
        for index, (name, source) in enumerate(programs.items()):
            others = tuple(REFERENCES) if index == 0 else (ADAM,)
            found = costs(canonical(source), others, STEPS, Limits(cpu_seconds=120), sandbox)
            for workload, row in found.items():
                head = ("optimizer", "ms", "x Adam", "MiB", "x Adam")
                table = tables.setdefault(workload, Table(*head, title=workload))
                adam = row[ADAM]
                for other, cost in row.items():
                    ratios = cost.seconds / adam.seconds, cost.temporaries / adam.temporaries
                    numbers = (cost.seconds * 1e3, ratios[0], cost.temporaries / 2**20, ratios[1])
                    table.add_row(other or f"exported {name}", *(f"{number:.2f}" for number in numbers))
    for table in tables.values():
        Console().print(table)


if __name__ == "__main__":
    main()
