"""The gate: what must be true of a program before anyone asks how fast it is.

A program is the two functions of an `Operator`, in Triton. It is called on inputs that it has not seen, on
fresh memory full of NaN, in every layout that callers use, and everything that it does is watched.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from ..operators import DTYPES, Operator, Sizes
from . import accuracy, gradients, layouts, results
from .backends import Backend, Interpreted, Native
from .observed_call import ObservedCall
from .report import DIRECTIONS, Direction, Finding, Report, once

CHECKS: Mapping[str, str] = {
    "value": "fresh inputs at every size: form and value of the results, bounds, races, unwritten memory",
    "work": "with all launches skipped the results hold nothing; PyTorch operators compute nothing",
    "refill": "new contents at the same addresses, then the same call once more, programs in another order",
    "layout": "strided inputs with NaN between the elements, transposed ones, an expanded gradient",
    "nan": "NaN and infinities in each input spoil what they spoil in the reference, and nothing else",
    "far": "rows 2^30 elements apart, so that offsets pass 2^31 (takes 4 GiB of address space or more)",
    "gradcheck": "torch's gradcheck in fast mode: backward against differences of the program's own forward",
}
"""Every check and what it does. `value` must pass at a size before the others are tried."""
QUICK = ("value", "work", "refill", "layout", "nan")
"""What a search can afford for each candidate."""
_SIZES = 7
_INTERPRETED = Interpreted()
_ROW_STRIDE = 2**30 + 16


@dataclass
class _Examination:
    """One direction of one program in one dtype; collects findings as it goes."""

    operator: Operator
    function: Callable[..., Any]
    forward: Callable[..., Any] | None
    """The program's forward, whichever direction is examined."""
    direction: Direction
    dtype: torch.dtype
    backend: Backend
    rng: torch.Generator
    findings: list[Finding] = field(default_factory=list)
    calls: int = 0
    launches: int = 0

    def draw(self, sizes: Sizes) -> accuracy.Inputs:
        """Inputs, and after them, for backward, the gradient of the output."""
        inputs = accuracy.draw(self.operator, sizes, self.dtype, self.direction, self.rng)
        return tuple(tensor.to(self.backend.device) for tensor in inputs)

    def truths(self, inputs: accuracy.Inputs) -> tuple[accuracy.Truth, ...]:
        rng = torch.Generator(self.backend.device).manual_seed(0)
        return accuracy.truths(partial(accuracy.evaluate, self.operator, self.direction), inputs, rng)

    def names(self) -> tuple[str, ...]:
        return self.operator.differentiable if self.direction == "backward" else ("output",)

    def call(self, inputs: accuracy.Inputs, seed: int = 0, execute: bool = True) -> ObservedCall:
        given = (inputs[-1], *inputs[:-1]) if self.direction == "backward" else inputs
        self.calls += 1
        seen = self.backend.call(lambda: self.function(*given), seed, execute)
        self.launches += seen.launches
        return seen

    def found(self, check: str, sizes: Sizes, wrong: Iterable[tuple[str, str]]) -> bool:
        """Whether anything is wrong; keeps it."""
        before = len(self.findings)
        dtype = str(self.dtype).removeprefix("torch.")
        self.findings += [
            Finding(name, check, self.direction, dtype, dict(sizes), message) for name, message in wrong
        ]
        return len(self.findings) > before

    def judge(self, inputs: accuracy.Inputs, seed: int = 0) -> tuple[list[tuple[str, str]], ObservedCall]:
        """Calls the program on `inputs` and says everything that is wrong with what it did."""
        truths = self.truths(inputs)
        before = [layouts.bits(tensor).clone() for tensor in inputs]
        seen = self.call(inputs, seed)
        wrong = list(results.conduct(seen, any(bool(truth.exact.any()) for truth in truths)))
        for name, tensor, old in zip(self._input_names(), inputs, before, strict=True):
            if not torch.equal(layouts.bits(tensor), old):
                wrong.append(("inputs_changed", f"{name} does not hold what it held before the call"))
        if seen.error is None:
            wrong += results.form(seen.result, self.direction, self.names(), self._models(inputs), inputs)
        if not wrong:
            outputs = results.tensors(seen.result, self.direction)
            wrong += results.values(outputs, self.names(), truths, seen)
        return wrong, seen

    def _input_names(self) -> tuple[str, ...]:
        return (*self.operator.inputs, "grad") if self.direction == "backward" else self.operator.inputs

    def _models(self, inputs: accuracy.Inputs) -> tuple[results.Form, ...]:
        """What each result must look like."""
        if self.direction == "forward":
            (output,) = accuracy.forward(self.operator, inputs)
            return (results.Form(tuple(output.shape), self.dtype, (output.contiguous().stride(),)),)
        by_name = dict(zip(self.operator.inputs, inputs[:-1], strict=True))
        return tuple(results.gradient_form(by_name[name]) for name in self.names())


def gate(
    operator: Operator,
    program: Mapping[str, Any],
    dtypes: Sequence[torch.dtype] = DTYPES,
    sizes: Sequence[Sizes] | None = None,
    *,
    backend: Backend = _INTERPRETED,
    directions: Sequence[Direction] = DIRECTIONS,
    checks: Sequence[str] = QUICK,
    seed: int = 0,
    stop: bool = False,
    clock: Callable[[], float] = time.process_time,
) -> Report:
    """What is wrong with a program, by name; no findings: it passes.

    `program` is its namespace. `sizes` are the operator's first hidden ones for the seed unless given: their
    B should be 0 to 6, as under the interpreter a row costs milliseconds. `value` runs at every size, the
    other checks at the smallest that has two rows or more. With `stop` the first finding ends the search.

    Raises ValueError for a check that there is not.
    """
    unknown = set(checks) - set(CHECKS)
    if unknown:
        raise ValueError(f"there are the checks {', '.join(CHECKS)}, not {', '.join(sorted(unknown))}")
    started = clock()
    grid = list(itertools.islice(operator.hidden(seed), _SIZES)) if sizes is None else list(sizes)
    findings: list[Finding] = []
    calls = launches = 0
    for dtype, direction in itertools.product(dtypes, directions):
        if stop and findings:
            break
        function = program.get(direction)
        rng = torch.Generator(backend.device).manual_seed(seed)
        examination = _Examination(
            operator, function or _nothing, program.get("forward"), direction, dtype, backend, rng
        )
        if callable(function):
            _examine(examination, grid, checks, seed, stop)
        else:
            examination.found("value", {}, [("missing", f"the program has no function `{direction}`")])
        findings += examination.findings
        calls, launches = calls + examination.calls, launches + examination.launches
    kept = once(findings)
    return Report(kept[:1] if stop else kept, calls, launches, clock() - started)


def _nothing() -> None:
    """Stands for a function that is missing, and is never called."""


def _examine(exam: _Examination, grid: Sequence[Sizes], checks: Sequence[str], seed: int, stop: bool) -> None:
    broken = False
    for index, sizes in enumerate(grid if "value" in checks else ()):
        wrong, _ = exam.judge(exam.draw(sizes), seed + index)
        broken |= exam.found("value", sizes, wrong)
        if broken and (stop or any(name in ("raises", "out_of_bounds") for name, _ in wrong)):
            return  # every other size would say the same, and each may cost a compilation
    sizes = min(
        grid, key=lambda each: (min(each.values()) == 0, each.get("B", 0) < 2, math.prod(each.values()))
    )
    if min(sizes.values()) == 0:
        return
    for check, run in _OTHERS.items():
        if check in checks and not (broken and (stop or check not in ("work", "refill"))):
            broken |= exam.found(check, sizes, run(exam, sizes, seed))


def _work(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """Operators that computed; and results that stand although no launch ran."""
    if isinstance(exam.backend, Native):
        return
    inputs = exam.draw(sizes)
    seen = exam.call(inputs, seed, execute=False)
    if seen.error is not None:
        yield "raises", f"with no launch run the program raised {results.error(seen.error)}: it reads results"
        return
    yield from results.conduct(seen, any(bool(truth.exact.any()) for truth in exam.truths(inputs)))
    for name, tensor in zip(exam.names(), results.tensors(seen.result, exam.direction), strict=False):
        held = int((~tensor.isnan() & (tensor != 0)).sum())
        if held:
            yield (
                "unlaunched",
                f"{held} of {tensor.numel()} elements of {name} have a value although no launch ran",
            )


def _refill(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """A program that remembers its inputs by address, or that answers differently when asked twice."""
    inputs, other = exam.draw(sizes), exam.draw(sizes)
    old = exam.truths(inputs)
    _, first = exam.judge(inputs, seed)
    if first.error is not None:
        return
    kept = results.tensors(first.result, exam.direction)
    copies = [tensor.clone() for tensor in kept]
    for mine, theirs in zip(inputs, other, strict=True):
        mine.copy_(theirs)
    wrong, second = exam.judge(inputs, seed + 1)
    outputs = results.tensors(second.result, exam.direction) if second.error is None else ()
    for name, tensor, truth in zip(exam.names(), outputs, old, strict=False):
        if tensor.shape == truth.exact.shape and not accuracy.miss(tensor, truth).fails and tensor.any():
            yield (
                "stale",
                f"after the inputs were refilled in place, {name} is still that of the old contents",
            )
            return
    yield from wrong
    for name, tensor, copy in zip(exam.names(), kept, copies, strict=False):
        if not layouts.same_bits(tensor, copy):
            yield "alias", f"{name} of the first call changed when the program was called again"
    if wrong:
        return
    third = exam.call(inputs, seed + 2)
    if third.error is not None:
        yield "raises", f"called again with the same inputs the program raised {results.error(third.error)}"
        return
    if second.float_atomics:
        yield from results.values(
            results.tensors(third.result, exam.direction), exam.names(), exam.truths(inputs), third
        )
        return
    again = results.tensors(third.result, exam.direction)
    for name, tensor, repeat in zip(exam.names(), outputs, again, strict=False):
        if not layouts.same_bits(tensor, repeat):
            differ = int((tensor != repeat).sum())
            yield "unrepeatable", f"{differ} of {tensor.numel()} elements of {name} differ in a second call"


def _layout(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """Every layout in turn; the message says which."""
    ways: dict[str, Callable[[accuracy.Inputs], accuracy.Inputs]] = {
        "strided": lambda inputs: tuple(layouts.strided(tensor) for tensor in inputs),
        "transposed": lambda inputs: tuple(layouts.transposed(tensor) for tensor in inputs),
    }
    if exam.direction == "backward":
        ways["expanded gradient"] = lambda inputs: (*inputs[:-1], layouts.expanded(inputs[-1]))
    for way, change in ways.items():
        wrong, _ = exam.judge(change(exam.draw(sizes)), seed)
        yield from ((name, f"{way} inputs: {message}") for name, message in wrong)


def _nan(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """One NaN in each input in turn, then one infinity in the first: is the damage the reference's?

    The derivative of a product by one factor holds the other factor alone, so a backward pass that is finite
    where autograd computes 0 * NaN is better than autograd; only a NaN in the gradient must come through.
    """
    names = exam._input_names()
    drawn = enumerate(exam.draw(sizes))
    floating = [index for index, tensor in drawn if tensor.is_floating_point() and tensor.numel()]
    for index, bad in [(index, float("nan")) for index in floating] + [(floating[0], float("inf"))]:
        inputs = exam.draw(sizes)
        flat = inputs[index].view(-1)
        flat[int(torch.randint(flat.numel(), (), generator=exam.rng, device=exam.rng.device))] = bad
        seen = exam.call(inputs, seed)
        if seen.error is not None:
            yield "raises", f"with {bad} in {names[index]} the program raised {results.error(seen.error)}"
            return
        outputs = results.tensors(seen.result, exam.direction)
        strict = exam.direction == "forward" or names[index] == "grad"
        for name, tensor, truth in zip(exam.names(), outputs, exam.truths(inputs), strict=False):
            place = accuracy.pattern(tensor, truth, strict, cancels=math.isinf(bad))
            if place:
                yield "nan", f"with {bad} at one place of {names[index]}, in {name} {place}"


def _far(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """Rows of the first input so far apart that a 32-bit offset overflows at the third."""
    inputs = exam.draw({**sizes, "B": 3})
    try:
        distant = layouts.spread(inputs[0], _ROW_STRIDE)
    except MemoryError:
        return
    truths = exam.truths(inputs)
    seen = exam.call((distant, *inputs[1:]), seed)
    wrong = list(results.conduct(seen, any(truth.exact.numel() for truth in truths)))
    if not wrong:
        wrong += results.values(results.tensors(seen.result, exam.direction), exam.names(), truths, seen)
    yield from ((name, f"rows {_ROW_STRIDE} elements apart: {message}") for name, message in wrong)


def _gradcheck(exam: _Examination, sizes: Sizes, seed: int) -> Iterator[tuple[str, str]]:
    """Backward against differences of forward, in float32 alone: the others are too coarse."""
    if exam.direction == "forward" or exam.dtype != torch.float32 or not callable(exam.forward):
        return
    forward, inputs = exam.forward, exam.draw(sizes)[:-1]
    wanted = [name in exam.operator.differentiable for name in exam.operator.inputs]
    exam.calls += 1
    seen = exam.backend.call(lambda: gradients.check(forward, exam.function, inputs, wanted), seed)
    exam.launches += seen.launches
    if seen.error is not None:
        yield "raises", f"while its gradient was checked the program raised {results.error(seen.error)}"
    elif seen.result is not None:
        yield "gradient", seen.result


_OTHERS: Mapping[str, Callable[[_Examination, Sizes, int], Iterable[tuple[str, str]]]] = {
    "work": _work,
    "refill": _refill,
    "layout": _layout,
    "nan": _nan,
    "far": _far,
    "gradcheck": _gradcheck,
}
