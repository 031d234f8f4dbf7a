"""The examination finds what is wrong, tells the smallest example, and tells equal behaviour from other."""

import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.evaluators.kinds import properties
from recevolve.evaluators.kinds.properties import (
    Property,
    behaviour,
    bits,
    describe,
    examine,
    inside,
)

NUMBERS = Property(
    "f is below 100",
    lambda _: st.integers(0, 10_000),
    lambda namespace, n: None if namespace["f"](n) < 100 else f"f({n}) is {namespace['f'](n)}",
    examples=100,
)
ALWAYS = Property("always holds", lambda _: st.none(), lambda namespace, example: None)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> str:
    module = ModuleType("kind_under_test")
    module.PROPERTIES = (ALWAYS, NUMBERS)  # type: ignore[attr-defined]
    module.probe = lambda namespace: {"y": [float(namespace["f"](n)) for n in (1, 2)]}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_a_good_program_gives_the_probe_and_no_text(kind: str) -> None:
    result = inside("def f(n):\n    return n % 7\n", {"task": kind}, {})
    assert result.text == ""
    assert result.arrays["y"].tolist() == [1.0, 2.0]


def test_the_counter_example_is_the_smallest(kind: str) -> None:
    result = inside("def f(n):\n    return n\n", {"task": kind}, {})
    assert result.text == "f is below 100: f(100) is 100\nsmallest example: 100"
    assert not result.arrays


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(n):\n    return 1 / 0\n", "division by zero (line 2 of the candidate)\nsmallest example: 0"),
        ("def f(n):\n    raise SystemExit\n", "SystemExit (line 2 of the candidate)"),
        ("class E(Exception):\n    pass\n\n\ndef f(n):\n    raise E(n)\n", "E: 0 (line 6 of the candidate)"),
        ("def f(n):\n    return f(n)\n", "RecursionError"),
        ("x = y\n", "the program does not load: NameError"),
        ("def (\n", "SyntaxError: invalid syntax"),
        ("g = 1\n", "KeyError: 'f'"),
        ("a = []\n\n\ndef f(n):\n    a.append(n)\n    return 200 if len(a) == 3 else 0\n", "below 100: f("),
    ],
)  # fmt: skip
def test_hostile_programs_end_as_text(kind: str, source: str, words: str) -> None:
    assert words in inside(source, {"task": kind}, {}).text


def test_a_probe_that_fails_is_told(kind: str) -> None:
    sys.modules[kind].probe = lambda namespace: {"y": namespace["nothing"]}  # type: ignore[attr-defined]
    result = inside("def f(n):\n    return 0\n", {"task": kind}, {})
    assert result.text == "the probe failed: KeyError: 'nothing'"
    assert not result.arrays


def test_a_program_that_fails_now_and_then_is_told_apart() -> None:
    calls: list[int] = []

    def holds(_: Mapping[str, Any], example: int) -> str | None:
        calls.append(example)
        return "wrong" if len(calls) == 2 else None

    text = examine([Property("odd", lambda _: st.integers(), holds)], {}, 5.0)
    assert text is not None
    assert "it does not fail every time" in text


def test_examples_are_the_same_each_time() -> None:
    def run() -> list[int]:
        seen: list[int] = []
        examine([Property("see", lambda _: st.integers(0, 10**9), lambda _, n: seen.append(n), 20)], {}, 5.0)
        return seen

    assert run() == run()
    assert len(set(run())) > 5


@pytest.mark.heavy
def test_shrinking_is_bounded_by_count() -> None:
    calls: list[Any] = []

    def holds(_: Mapping[str, Any], example: list[int]) -> str | None:
        calls.append(example)
        return "wrong" if sum(example) > 10 else None

    strategy = st.lists(st.integers(0, 10**6), min_size=30, max_size=60)
    text = examine([Property("sum", lambda _: strategy, holds)], {}, 60.0)
    assert text is not None
    assert len(calls) < properties.MOST_SHRINKS + 60


def test_the_budget_ends_an_examination() -> None:
    times = iter(range(1_000))
    text = examine([ALWAYS, NUMBERS], {"f": lambda n: 0}, 20.0, clock=lambda: float(next(times)))
    assert text == "f is below 100: not examined within 20 CPU seconds; do less work per call"


def test_examples_are_described_shortly() -> None:
    import torch

    text = describe(
        {"a": torch.tensor([0.5, -1.0]), "b": [np.zeros((3, 50), np.float32), 2.5], "c": torch.tensor(1)}
    )
    assert text == "{'a': float32 2 [ 0.5, -1. ], 'b': [float32 3x50 from 0 to 0, 2.5], 'c': int64 scalar 1}"
    assert len(describe(list(range(10_000)))) == properties.MOST_TEXT


def test_bits_tell_values_apart_exactly() -> None:
    nan = np.array([np.nan])
    assert bits({"a": [nan, 1]}) == bits({"a": [nan.copy(), 1]})
    assert bits(np.array([0.0])) != bits(np.array([-0.0]))
    assert bits(np.zeros(2, np.float32)) != bits(np.zeros(2, np.float64))
    assert bits((np.zeros(2),)) != bits((np.zeros((2, 1)),))


RNG = np.random.Generator(np.random.Philox(5))
OUTPUTS = {"a": RNG.normal(size=(40, 8)), "b": RNG.normal(size=9) * 1e-3, "c": np.zeros(4)}


def scaled(factor: float) -> dict[str, np.ndarray]:
    return {name: array * factor for name, array in OUTPUTS.items()}


def test_behaviour_does_not_see_names_order_zeros_and_dtypes() -> None:
    same = {name: OUTPUTS[name] for name in reversed(OUTPUTS)}
    assert behaviour(same) == behaviour(OUTPUTS)
    assert behaviour({**OUTPUTS, "c": -np.zeros(4)}) == behaviour(OUTPUTS)
    ints = {"n": np.arange(5)}
    assert behaviour(ints) == behaviour({"n": np.arange(5.0)})


@pytest.mark.parametrize(
    "other",
    [
        scaled(1.001),
        {**OUTPUTS, "b": -OUTPUTS["b"]},
        {**OUTPUTS, "b": OUTPUTS["b"].reshape(3, 3)},
        {**OUTPUTS, "d": np.zeros(1)},
        {**OUTPUTS, "c": np.array([0.0, 0.0, np.nan, 0.0])},
        {**OUTPUTS, "c": np.array([0.0, 0.0, 1e-6, 0.0])},
        {**OUTPUTS, "a": OUTPUTS["a"][::-1]},
        {"x": OUTPUTS["a"], "b": OUTPUTS["b"], "c": OUTPUTS["c"]},
    ],
)
def test_behaviour_sees_what_differs(other: dict[str, np.ndarray]) -> None:
    assert behaviour(other) != behaviour(OUTPUTS)


def test_behaviour_tells_infinities_and_nan_apart() -> None:
    prints = {behaviour({"a": np.array([1.0, value])}) for value in (np.nan, np.inf, -np.inf, 0.0)}
    assert len(prints) == 4
    assert behaviour({"a": np.array([np.float64("nan")])}) == behaviour({"a": np.array([-np.float64("nan")])})


def test_rounding_of_float32_is_seldom_seen() -> None:
    equal = 0
    for seed in range(200):
        rng = np.random.Generator(np.random.Philox(seed))
        exact = rng.normal(size=300)
        noisy = exact * (1.0 + rng.normal(size=300) * 6e-8)
        equal += behaviour({"a": exact}) == behaviour({"a": noisy})
    assert equal >= 180


def test_a_change_of_one_value_in_a_thousand_is_seen() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    exact = rng.normal(size=1_000)
    seen = 0
    for place in range(0, 1_000, 10):
        other = exact.copy()
        other[place] *= 1.02
        seen += behaviour({"a": other}) != behaviour({"a": exact})
    assert seen >= 98


@given(st.lists(st.floats(width=32), max_size=5))
def test_behaviour_takes_any_numbers(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert behaviour({"a": array}) == behaviour({"a": array.copy()})


def test_the_search_reads_this_without_torch_and_hypothesis() -> None:
    code = (
        "import sys, recevolve.evaluators.kinds.properties, recevolve.engine.propose.syntax.proposer\n"
        "print(sorted({'torch', 'hypothesis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
