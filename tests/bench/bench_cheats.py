"""The batteries of cheats of every kind: what catches each cheat, and honest seeds that are refused.

    python tests/bench/bench_cheats.py                 # all kinds, minutes
    python tests/bench/bench_cheats.py reward kernel

It runs the tests in `tests/evaluators/KIND/test_KIND_cheats.py` and counts. They take each cheat past its
text, as far as the layer that its docstring names. `text` counts those that static rules refuse already. A
cheat is caught where all tests that name it pass, and the rules refuse it or a test is of what it computes.
Tests show of harmless cheats that they run and gain nothing.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import pytest

from recevolve.evaluators.kinds.registry import find, kinds
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Sandbox
from recevolve.population.values.verdict import Status

EVALUATORS = Path(__file__).parents[1] / "evaluators"
ROW = "{:<12} {:<48} {:>6} {:>6} {:>6} {:>9}"


class Battery:
    """A pytest plugin: the cheats of a test file, and of each test that names one whether it passed."""

    def __init__(self) -> None:
        self.cheats: dict[object, str] = {}
        self.tests: dict[object, set[str]] = {}
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        """Finds which tests name a cheat, as their parameter or in their text."""
        for item in items:
            self.cheats = item.module.CHEATS
            given = tuple(item.callspec.params.values()) if hasattr(item, "callspec") else ()
            named = {*given, given, *item.function.__code__.co_consts}
            for name in self.cheats:
                if name in named:
                    self.tests.setdefault(name, set()).add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes how a test ended; one that is skipped passes nothing."""
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)
        elif not report.passed:
            self.failed.add(report.nodeid)

    def caught(self, name: object, by_text: bool) -> bool:
        """Whether each test that names this cheat passed, and one shows that it is stopped."""
        run = self.tests.get(name, set())
        shown = by_text or any("::test_text_gives_a_cheat_away" not in test for test in run)
        return bool(run) and shown and run <= self.passed - self.failed


def seeds_refused(task: Task) -> int:
    """How many honest seeds the rules or the examination refuse."""
    with Sandbox(task.preload) as sandbox:
        refused = [
            name
            for name, text in task.seeds.items()
            if check(canonical(text), task.rules)
            or task.examine(canonical(text), sandbox).status is not Status.SCORED
        ]
    for name in refused:
        print(f"REFUSED: {task.kind} {name}")
    return len(refused)


def battery(kind: str) -> bool:
    """Prints a line for each layer of the kind; whether each cheat is caught and no seed is refused."""
    task, seen = find(kind), Battery()
    file = EVALUATORS / kind / f"test_{kind}_cheats.py"
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "--tb=short", str(file)]
    code = pytest.main(options, plugins=[seen])
    there, text, caught = Counter[str](), Counter[str](), Counter[str]()
    for name, source in seen.cheats.items():
        layer = source.partition("Caught by: ")[2].partition("\n")[0].partition(",")[0].rstrip('."')
        by_text = bool(check(source, task.rules))
        stopped = seen.caught(name, by_text)
        there[layer] += 1
        text[layer] += by_text
        caught[layer] += stopped
        if not stopped:
            print(f"NOT CAUGHT: {kind} {name}")
    refused = seeds_refused(task)
    for layer in sorted(there):
        print(ROW.format(kind, layer, there[layer], text[layer], caught[layer], ""))
    seeds = f"{refused} of {len(task.seeds)}"
    print(ROW.format(kind, "all", there.total(), text.total(), caught.total(), seeds), flush=True)
    return code == pytest.ExitCode.OK and caught == there and not refused


def main() -> None:
    """Prints the table. Exits with 1 where a cheat passes, a test of a battery fails or a seed is refused."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="all of them if none is named")
    chosen = parser.parse_args().kinds or kinds()
    print(ROW.format("kind", "layer", "cheats", "text", "caught", "refused"))
    good = [battery(kind) for kind in chosen]  # all of them, whatever the first says
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
