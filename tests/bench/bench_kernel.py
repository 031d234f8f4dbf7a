"""What judging a kernel costs, and what its checks catch: CPU seconds, catch rate, false alarms.

    python tests/bench/bench_kernel.py
    python tests/bench/bench_kernel.py --repeats 50     # random sizes for each honest seed, minutes

A new program is examined, recorded at real sizes, assembled and priced. A changed one has another constant
that alters no launch: its examination shows that it is a duplicate, and an engine judges it no further.
These are CPU seconds of the candidate's process and of our own together.
"""

import argparse
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from runpy import run_path

from recevolve.evaluators.kernel.assembler import assembled
from recevolve.evaluators.kernel.examination import LIMITS, check_further
from recevolve.evaluators.kernel.judge import KernelJudge
from recevolve.evaluators.kernel.settings import Settings
from recevolve.evaluators.kernel.task import task_for
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.values.verdict import Verdict

OPERATORS = ("pairwise_dot", "dcn_v2_cross")
HEADLINES = {"pairwise_dot": "dlrm-dcnv2-batch", "dcn_v2_cross": "criteo-kaggle"}
PATCHES = Path(__file__).parents[1] / "evaluators" / "kernel" / "cheats" / "patched.py"
ROW = "{:<16} {:<18} {:>9} {:>9} {:>9} {:>9}"


def cpu_seconds() -> float:
    """Of this process and of the tools that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(call: Callable[[], Verdict]) -> tuple[Verdict, float]:
    """The verdict, and the CPU seconds of both sides of the sandbox."""
    begin = cpu_seconds()
    verdict = call()
    return verdict, cpu_seconds() - begin + verdict.timings.get("cpu_seconds", 0.0)


def unlike(source: str) -> str:
    """The same program with one constant more, which nothing compiled depends on."""
    return source.replace("CONFIG = {", "CONFIG = {'a_constant': 7, ", 1)


def costs(operator: str, sandbox: Sandbox) -> bool:
    """Prints a line for each seed; whether our own program, the first, stays within the budgets."""
    chosen = {"operator": operator, "shapes": (HEADLINES[operator],), "north_star": "estimate"}
    task, good = task_for(Settings(**chosen)), True
    for name, text in task.seeds.items():
        source = canonical(text)
        judge = KernelJudge({}, chosen, Limits(), "bench")
        assembled.cache_clear()
        new, examined = timed(lambda source=source, task=task: task.examine(source, sandbox))
        priced, pricing = timed(lambda source=source, judge=judge: judge.proxy(source, 0, sandbox))
        other, changed = timed(lambda source=source, task=task: task.examine(unlike(source), sandbox))
        for verdict in (new, priced, other):
            assert verdict.score, verdict.reason
        assert other.facts == new.facts  # a duplicate: the engine judges it no further
        if name == operator:
            good = examined + pricing <= 15 and changed <= 2
        figures = (examined, pricing, examined + pricing, changed)
        print(ROW.format(operator, name, *(f"{each:.2f}" for each in figures)))
    return good


def battery(operator: str, sandbox: Sandbox) -> tuple[int, int]:
    """(Cheats caught, cheats there are)."""
    chosen = {"operator": operator, "shapes": ("small",), "north_star": "estimate"}
    task, judge = task_for(Settings(**chosen)), KernelJudge({}, chosen, Limits(), "bench")
    texts: dict[str, str] = run_path(str(PATCHES))["cheats"](operator)
    caught = 0
    for name, text in texts.items():
        refused = bool(check(text, task.rules))
        for judged in (task.examine, lambda source, sandbox: judge.proxy(source, 0, sandbox)):
            refused = refused or judged(canonical(text), sandbox).score is None
        caught += refused
        if not refused:
            print(f"NOT CAUGHT: {name}")
    return caught, len(texts)


def false_alarms(operator: str, repeats: int, sandbox: Sandbox) -> tuple[int, int]:
    """(Random sizes at which an honest seed was refused, sizes tried)."""
    settings = Settings(operator=operator, north_star="estimate")
    wrong = tried = 0
    for name, text in task_for(settings).seeds.items():
        for number in range(repeats):
            tried += 1
            try:
                check_further(canonical(text), settings, 1_000 + number, 1, LIMITS, sandbox)
            except Failed as failed:
                wrong += 1
                print(f"FALSE ALARM: {operator} {name}, seed {1_000 + number}: {failed}")
    return wrong, tried


def main() -> None:
    """Prints costs, then the battery. Exits with 1 where a cheat passes or an honest seed does not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="random sizes for each honest seed")
    repeats = parser.parse_args().repeats
    with Sandbox(task_for(Settings()).preload) as sandbox:
        print(ROW.format("operator", "seed", "examine", "price", "new, sum", "changed"))
        kept = [costs(operator, sandbox) for operator in OPERATORS]
        words = "kept" if all(kept) else "BROKEN"
        print(f"CPU seconds; budgets of our own programs, 15 new and 2 changed: {words}")
        caught = there = 0
        for operator in OPERATORS:
            found = battery(operator, sandbox)
            caught, there = caught + found[0], there + found[1]
        print(f"cheats caught: {caught} of {there}")
        alarms = [false_alarms(operator, repeats, sandbox) for operator in OPERATORS]
        wrong, tried = (sum(each) for each in zip(*alarms, strict=True))
        print(f"honest seeds refused: {wrong} of {tried} random sizes")
    sys.exit(caught < there or wrong > 0)


if __name__ == "__main__":
    main()
