"""The patch: an archived program as a `torch.optim.Optimizer` that needs torch alone, with its tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....population.values.verdict import Verdict
from ...kinds.patch import (
    check_module_name,
    facts_of,
    filled,
    module_files,
    refuse_taken,
    shared_values,
    title_of,
)
from ...kinds.task import Winner
from .program import PatchProgram

TEMPLATES = Path(__file__).with_name("templates")
BENCHMARK = Path(__file__).with_name("benchmark.py")
OWN_NAMES = frozenset(
    {"Any", "Callable", "Iterable", "Iterator", "Optimizer", "Tensor", "math", "sys", "torch"}
)
"""Names that the module binds beside those of the program."""


def export(winner: Winner) -> Mapping[str, str]:
    """Four files by name: the optimizer, its tests, a benchmark, and a README.

    `winner.name` becomes the module's name and, in capitals, the class. Where `winner.provenance` holds
    `lr_factor`, or a verdict with that fact, the exported default rate is the program's times that factor,
    the one it was judged at. Sparse gradients are taken where the rule treats rows apart and `winner.trial`
    found that rows without a gradient stay; its costs go into the README. ValueError for a name that is no
    module's, or that the program uses itself.
    """
    name = winner.name
    check_module_name(name, {"torch"})
    program = PatchProgram(winner.source, _lr_factor(winner.provenance))
    refuse_taken(name, program.names, {*OWN_NAMES, title_of(name)})
    values = {
        **shared_values(name, winner.source, facts_of(winner.provenance)),
        "program": program.text(),
        "hyperparameters": program.hyperparameters,
        "uses_math": program.uses_math,
        "reach": program.reach,
        "in_place": program.in_place,
        "counter": "step_number" if "step" in program.slots else "step",
        "why_dense": _why_dense(program.reach, winner.trial),
        "sparse": not _why_dense(program.reach, winner.trial),
        "costs": _costs(winner.trial, title_of(name)),
        "benchmark": BENCHMARK.read_text(encoding="utf-8").rstrip(),
    }
    return {
        **module_files(TEMPLATES, name, values),
        f"benchmark_{name}.py": filled(TEMPLATES, "benchmark", values),
    }


def _why_dense(reach: str, trial: Verdict | None) -> str:
    """Why the rule needs the gradients of all rows; "" where it does not."""
    if reach == "tensor":
        return "the rule looks across rows"
    if trial is None or not trial.score:
        return "it was not tried whether rows without a gradient stay"
    return "" if trial.facts["rows_stay"] else "the rule changes rows without a gradient too"


def _costs(trial: Verdict | None, title: str) -> list[list[str]]:
    """A table's rows, the head first: optimizer, time and temporaries by workload; none without a trial."""
    if trial is None or not trial.score:
        return []
    pairs = [key.split(": ") for key in trial.metrics]
    workloads, names = (list(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
    rows = [["optimizer", *workloads, *(f"temporaries, {workload}" for workload in workloads)]]
    rows.append(["---"] * len(rows[0]))
    for name in names:
        keys = [f"{workload}: {name}" for workload in workloads]
        times = [f"{trial.timings[key] * 1e3:.2f} ms" for key in keys]
        rows.append([name or title, *times, *(f"{trial.metrics[key].value / 2**20:.2f} MiB" for key in keys)])
    return rows


def _lr_factor(provenance: Mapping[str, Any]) -> float:
    verdicts = [value for value in provenance.values() if isinstance(value, Mapping) and "facts" in value]
    judged = [verdict["facts"]["lr_factor"] for verdict in verdicts if "lr_factor" in verdict["facts"]]
    return float(provenance.get("lr_factor", judged[0] if judged else 1.0))
