"""Marks are found in what a test names, and a test without one can start nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from .conftest import QUICK, TESTS, Guard, marks


def written(text: str, known: Mapping[str, Any] | None = None) -> FunctionType:
    """A function of this text, as if it stood in a file of the tests."""
    return FunctionType(compile(text, f"{TESTS}/test_x.py", "exec"), dict(known or {}))


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("with Sandbox(): pass", "sandbox"),
        ("from recevolve.evaluators.sandbox import Sandbox as Other", "sandbox"),
        ("def inner():\n    return subprocess.run(())", "process"),
    ],
)
def test_what_a_function_names_marks_it_and_its_callers(text: str, mark: str) -> None:
    function = written(text)
    assert marks([function]) == {mark}
    assert marks([written("helper()", {"helper": function})]) == {mark}
    assert marks([written("1 + 1", {"helper": function})]) == set()


def test_a_test_without_a_mark_starts_nothing() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.sandbox"):
        os.posix_spawn("/bin/true", ["true"], {})


def test_only_a_sandboxs_mark_allows_a_sandbox(request: pytest.FixtureRequest) -> None:
    request.node.add_marker("process")
    guard = Guard()
    guard.test = request.node
    guard.hear("subprocess.Popen", ("python", ["python", "-c", "print()"]))
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.sandbox"):
        guard.hear("subprocess.Popen", ("python", ["python", "-c", "from x.zygote import main; main()"]))


def test_a_fixture_that_started_a_process_is_remembered(request: pytest.FixtureRequest) -> None:
    guard = Guard()
    guard.test = request.node
    guard.fixtures = ["tests::run"]
    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        guard.hear("os.fork")
    assert guard.starting == {"tests::run"}


def test_make_quick_asks_for_the_tests_that_are_read_for_it() -> None:
    assert f"-m '{QUICK}'" in (Path(TESTS).parent / "Makefile").read_text(encoding="utf-8")
