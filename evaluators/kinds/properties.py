"""Property-based examination of a candidate beside which it runs in the sandbox, and what tells two apart.

A kind declares properties: a Hypothesis strategy and a predicate. `inside` tries them on a loaded candidate,
shrinks the first failure and returns its smallest counter-example as text. torch and hypothesis are imported
where they are used: the search reads this module and needs neither.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from importlib import import_module
from keyword import iskeyword
from types import ModuleType
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from ..sandbox.inside import Result, explain, load

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MOST_SHRINKS = 120
"""Examples tried to make a counter-example smaller."""
BUDGET = 5.0
"""CPU seconds of an examination: far above what honest programs need, for no verdict hangs on the machine."""
FACT = "fact "
"""What the name of a probe's output begins with that is a number to know, and no part of the behaviour."""
MOST_TEXT = 600
"""Characters of a described example."""
CANDIDATE_FAILURES = (Exception, SystemExit, GeneratorExit)
"""What a hostile program may raise and must not end its own examination with."""


Strategy = Callable[[ModuleType], "SearchStrategy[Any]"]
"""`hypothesis.strategies` to a strategy; called inside the sandbox, once per examination."""


@dataclass(frozen=True)
class Property:
    """A statement that must hold for every example: its name, its examples, and how to see it broken."""

    name: str
    strategy: Strategy
    holds: Callable[[Mapping[str, Any], Any], str | None]
    """(candidate's namespace, example) -> None, or what is wrong in one sentence. May let its errors out."""
    examples: int = 10


class _Falsified(Exception):
    """The property does not hold for the example at hand."""


class _Stop(BaseException):
    """Leaves Hypothesis at once; it lets a BaseException of its caller pass."""


def inside(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """A sandbox runner. The probe's outputs and no text where every property holds, else text and no arrays.

    `parameters["task"]` names a module that holds PROPERTIES, a sequence of Property, and `probe(namespace)`,
    which returns arrays by name; those whose names begin with FACT become facts of the verdict.
    """
    kind = import_module(parameters["task"])
    return examined(source, kind.PROPERTIES, kind.probe)


def examined(
    source: str,
    properties: Sequence[Property],
    probe: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Result:
    """What `inside` returns, for a kind whose properties and probe are at hand."""
    try:
        namespace = load(source)
    except CANDIDATE_FAILURES as error:
        return Result({}, f"the program does not load: {explain(error)}")
    wrong = examine(properties, namespace, BUDGET)
    if wrong:
        return Result({}, wrong)
    try:
        return Result({name: np.asarray(array) for name, array in probe(namespace).items()})
    except CANDIDATE_FAILURES as error:
        return Result({}, f"the probe failed: {explain(error)}")


def examine(
    properties: Sequence[Property],
    namespace: Mapping[str, Any],
    budget_seconds: float,
    clock: Callable[[], float] = time.process_time,
) -> str | None:
    """None, or the first property that fails, how, and the smallest example found, as text of a few lines.

    Deterministic: examples follow from the property's name alone. `clock` counts CPU seconds.
    """
    end = clock() + budget_seconds
    for each in properties:
        wrong = _falsify(each, namespace, lambda: clock() > end)
        if wrong:
            return wrong
        if clock() > end:
            return f"{each.name}: not examined within {budget_seconds:g} CPU seconds; do less work per call"
    return None


def _falsify(prop: Property, namespace: Mapping[str, Any], late: Callable[[], bool]) -> str | None:
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings, strategies
    from hypothesis.errors import Flaky

    found: list[str] = []
    shrinks = 0

    def attempt(example: Any) -> None:
        nonlocal shrinks
        if late() or shrinks > MOST_SHRINKS:
            raise _Stop
        shrinks += bool(found)
        try:
            wrong = prop.holds(namespace, example)
        except CANDIDATE_FAILURES as error:
            wrong = explain(error)
        if wrong:
            found.append(f"{prop.name}: {wrong}\nsmallest example: {describe(example)}")
            raise _Falsified

    quiet = settings(
        max_examples=prop.examples,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    test = seed(crc32(prop.name.encode()))(quiet(given(prop.strategy(strategies))(attempt)))
    try:
        test()
    except (_Falsified, _Stop):
        pass
    except Flaky:
        found.append(f"{found[-1]}\nit does not fail every time: the program keeps something between calls")
    return found[-1] if found else None


def describe(value: Any) -> str:
    """A short text of an example: tensors by dtype, shape and values, at most MOST_TEXT characters."""
    text = _described(value)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


def _described(value: Any) -> str:
    array = _array(value)
    if array is not None:
        shape = "x".join(map(str, array.shape)) or "scalar"
        if array.size <= 12:
            text = np.array2string(array, separator=", ", precision=6, max_line_width=10_000)
            return f"{array.dtype} {shape} {text}"
        return f"{array.dtype} {shape} from {array.min():.6g} to {array.max():.6g}"
    if is_dataclass(value) and not isinstance(value, type):
        parts = [f"{each.name}={_described(getattr(value, each.name))}" for each in fields(value)]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_described(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_described, value))}]"
    return repr(value)


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, np.ndarray):
        return value
    return value.detach().cpu().numpy() if hasattr(value, "detach") else None


def bits(value: Any) -> Any:
    """A value that is equal exactly for bitwise equal tensors, arrays, and tuples and dicts of them.

    For predicates: compare `bits` before and after a call to see inputs mutated, or of two calls to see a
    program that is not deterministic. NaN equals itself, -0.0 differs from 0.0.
    """
    array = _array(value)
    if array is not None:
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, Mapping):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return value


def nothing(st: ModuleType) -> Any:
    """The strategy of a property that needs no examples."""
    return st.none()


def form(value: Any) -> str:
    """Dtype and shape of a tensor, the type of anything else."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return type(value).__name__
    return f"{str(dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"


def misnamed(hp: Any, reserved: Set[str]) -> str | None:
    """None where `hp` is a dict of usable names, none reserved, to finite numbers, else a sentence."""
    if not isinstance(hp, dict):
        return f"HYPERPARAMETERS must be a dict of names to numbers, got {type(hp).__name__}"
    for name, value in hp.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name in reserved:
            taken = ", ".join(sorted(reserved))
            return f"hyperparameter name {name!r} must be a plain identifier other than {taken}"
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return f"hyperparameter {name!r} must be a finite number, got {value!r}"
    return None


PROJECTIONS = 3
QUANTUM = 2.0**-15
FLOOR = 1e-12


def behaviour(arrays: Mapping[str, np.ndarray]) -> str:
    """The fingerprint of a probe's outputs, 16 hexadecimal digits: equal behaviour, equal fingerprint.

    Names, shapes and the places of NaN and of infinities count exactly; -0.0 equals 0.0; dtypes do not count.
    Finite values count with about five significant digits: each becomes sign(x) log2(1 + |x| / 1e-12), and
    three fixed random projections of them all, scaled to the error of one value, are rounded to 2**-15. So

    - outputs that agree to float32 rounding, such as those of another order of summation, get equal
      fingerprints but for about one pair in twenty, where a projection lies at a rounding boundary; that
      costs an evaluation;
    - outputs that differ throughout by a part in 10,000, or in one of n values by sqrt(n) parts in 10,000,
      get different ones. What is smaller than that is presumed equal.

    Rounding each value would instead tell apart nearly every pair that is not bitwise equal: of a thousand
    values some always lie at a boundary.
    """
    digest = sha256()
    values = []
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.shape} ".encode())
        flat = array.astype(np.float64, copy=False).ravel()
        digest.update(
            (np.isnan(flat) + 2 * np.isposinf(flat) + 3 * np.isneginf(flat)).astype(np.uint8).tobytes()
        )
        values.append(np.where(np.isfinite(flat), flat, 0.0))
    joined = np.concatenate(values) if values else np.zeros(0)
    digits = np.sign(joined) * np.log2(1.0 + np.abs(joined) / FLOOR)
    weights = (
        np.random.Philox(0).random_raw((PROJECTIONS * joined.size,)).reshape(PROJECTIONS, -1) / 2.0**63 - 1.0
    )
    scale = np.sqrt(max(joined.size, 1) / 3.0) * QUANTUM
    digest.update(np.rint(weights @ digits / scale).astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


def warm() -> None:
    """Does once what every first examination would do: loads generator, shrinker and common strategies.

    Hypothesis reads the numbers in all loaded modules when one draw in twenty asks for such a number, which
    costs more than an examination: so many examples are drawn here that it has happened.
    """

    def strategy(st: ModuleType) -> Any:
        return st.tuples(
            st.builds(complex, st.integers(0, 1_000), st.floats(0.0, 1.0)),
            st.lists(st.sampled_from((0.0, 1.0)), min_size=1, max_size=3),
        )

    def fails(_: Mapping[str, Any], example: Any) -> str | None:
        return "warm" if example[0].real > 0 else None

    examine((Property("draw", strategy, lambda *_: None, 200), Property("shrink", strategy, fails)), {}, 60.0)
