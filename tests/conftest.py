"""What holds for all tests: one Hypothesis profile, and marks that say what a test needs beside Python.

`make quick` runs the tests without a mark. Most marks are found here: a test is marked by what it names,
itself or through its fixtures and the helpers that it calls. The rest are written at the test. A test fails
where it starts a process without a mark, so that `make quick` stays quick.
"""

import multiprocessing.util
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("house"), max_examples=20)
settings.load_profile("house")

TESTS = str(Path(__file__).parent)
MARKS = ("sandbox", "process", "heavy", "slow")
STARTERS = {
    "Sandbox": "sandbox",
    "LocalExecutor": "sandbox",
    "work": "sandbox",
    "command": "sandbox",
    "subprocess": "process",
    "Popen": "process",
    "multiprocessing": "process",
}
"""The mark of a test that names one of these, which start processes."""
HEAVY = (
    "kernels/",
    "evaluators/ctr/",
    "evaluators/interaction/",
    "evaluators/kernel/",
    "evaluators/simulator/",
    "evaluators/reward/test_reward_audit",
    "evaluators/reward/test_reward_export",
    "evaluators/reward/test_reward_judge",
    "evaluators/reward/test_reward_own_log",
    "engine/propose/llm/test_cassettes",
    "engine/propose/llm/test_embeddings",
    "engine/propose/llm/test_endpoint",
    "engine/propose/llm/test_in_process",
    "engine/propose/llm/test_keys",
)
"""Where tests train with torch, compile kernels, simulate users, draw pictures or load litellm: a second and
more each, or for the first of them."""
QUICK = "not (slow or sandbox or process or heavy)"
"""The marks that `make quick` asks for."""
EVENTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
"""What Python's audit hooks call the start of a process; multiprocessing starts its own without one."""
QUESTIONS = ("'--version'", "fc-list")
"""Commands that Triton and matplotlib ask once, and that answer at once."""


def names(code: CodeType) -> Iterator[str]:
    """Every global, attribute and import that a piece of code names, functions within it included."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names(inner)


@cache
def named(function: FunctionType) -> tuple[frozenset[str], tuple[FunctionType, ...]]:
    """The marks of what a function names, and the functions of tests that it calls."""
    inner = getattr(function, "hypothesis", None)
    plain: FunctionType = inner.inner_test if inner else getattr(function, "__wrapped__", function)
    found = set(names(plain.__code__))
    known = [plain.__globals__[name] for name in found & plain.__globals__.keys()]
    known += [
        getattr(one, name, None)
        for one in known
        if isinstance(one, ModuleType) and ours(one)
        for name in found
    ]
    called = [one for one in known if isinstance(one, FunctionType)]
    called += [one for it in known if isinstance(it, type) for one in vars(it).values() if callable(one)]
    functions = tuple(one for one in called if isinstance(one, FunctionType) and ours(one))
    return frozenset(STARTERS[name] for name in found & STARTERS.keys()), functions


def ours(one: FunctionType | ModuleType) -> bool:
    """Whether it is written in a file of the tests."""
    file = one.__code__.co_filename if isinstance(one, FunctionType) else getattr(one, "__file__", None)
    return bool(file) and str(file).startswith(TESTS)


def marks(start: Sequence[FunctionType]) -> set[str]:
    """The marks of functions and of all that they call."""
    found: set[str] = set()
    waiting, seen = list(start), set(start)
    while waiting:
        own, called = named(waiting.pop())
        found |= own
        waiting += [one for one in called if one not in seen]
        seen.update(called)
    return found


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves files of heavy tests unread where heavy tests are not asked for: reading them loads torch."""
    plain = collection_path.is_file() and collection_path.is_relative_to(TESTS)
    heavy = plain and collection_path.relative_to(TESTS).as_posix().startswith(HEAVY)
    return True if heavy and config.getoption("markexpr") == QUICK else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks a test by its folder and by what it names."""
    if item.path.relative_to(TESTS).as_posix().startswith(HEAVY):
        item.add_marker("heavy")
    if isinstance(item, pytest.Function):
        made: dict[str, Any] = item._fixtureinfo.name2fixturedefs
        fixtures = [one.func for found in made.values() for one in found]
        for mark in marks([one for one in (item.function, *fixtures) if isinstance(one, FunctionType)]):
            item.add_marker(mark)


class Guard:
    """Knows which test and which fixtures run, and stops a process that they may not start."""

    def __init__(self) -> None:
        self.test: pytest.Item | None = None
        self.fixtures: list[str] = []
        self.starting: set[str] = set()
        """Fixtures that have started a process, by where they are defined and their name."""

    def hear(self, event: str, arguments: Sequence[Any] = ()) -> None:
        """Fails the running test where it is about to start a process without a mark that allows it."""
        if event not in EVENTS or self.test is None:
            return
        words = str(arguments)
        if any(each in words for each in QUESTIONS):
            return
        self.starting.update(self.fixtures)
        wanted = ("sandbox", "slow") if "zygote import main" in words else MARKS
        if not any(self.test.get_closest_marker(mark) for mark in wanted):
            pytest.fail(f"it starts a process, so it needs @pytest.mark.{wanted[0]}")


guard = Guard()
sys.addaudithook(guard.hear)
spawn: Callable[..., int] = multiprocessing.util.spawnv_passfds  # type: ignore[attr-defined]


def heard(*arguments: Any) -> int:
    """`spawnv_passfds` of multiprocessing, heard by the guard."""
    guard.hear("subprocess.Popen", arguments)
    return spawn(*arguments)


multiprocessing.util.spawnv_passfds = heard  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tells the guard which test runs."""
    guard.test = item
    try:
        return (yield)
    finally:
        guard.test = None


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """Tells the guard which fixture is made."""
    guard.fixtures.append(f"{fixturedef.baseid}::{fixturedef.argname}")
    try:
        return (yield)
    finally:
        guard.fixtures.pop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fails a test without a mark whose fixture has started a process for another test."""
    if isinstance(item, pytest.Function) and not any(item.get_closest_marker(mark) for mark in MARKS):
        made: dict[str, Any] = item._fixtureinfo.name2fixturedefs
        taken = {f"{one.baseid}::{one.argname}" for found in made.values() for one in found[-1:]}
        if shared := sorted(taken & guard.starting):
            pytest.fail(f"it takes {', '.join(shared)}, which starts a process, so it needs its mark")
