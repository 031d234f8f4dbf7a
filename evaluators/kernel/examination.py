"""The examination: is a program right on sizes that it has not seen, and what does it launch?

What can only be seen beside the candidate (bounds, races, coverage, who computed) is told by the gate in
the sandbox. Results are sent out as well, and compared with a reference that no candidate's process holds.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...kernels.gate import accuracy
from ...kernels.operators import Operator, Sizes
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed, judged, require_finished
from ..kinds.properties import behaviour
from ..sandbox import Limits, Outcome, Sandbox, SharedArrays
from . import wire
from .inside import drawn
from .settings import Settings, operator_for, shapes_for
from .wire import COMPILATIONS

RUNNER = "recevolve.evaluators.kernel.inside"
LIMITS = Limits(cpu_seconds=60.0, memory_mb=4096, output_mb=64)
"""Of an examination; an honest program needs a few seconds."""
PROBE = 2
"""Which of the operator's hidden sizes all programs are compared on."""
RANDOM = 12
"""From here on an operator's hidden sizes are random."""
LAUNCHED = ("grid", "warps", "stages", "ctas", "shared", "arguments")
CHEATING = ("torch_computes", "unlaunched", "stale", "inputs_changed")
"""Findings of the gate that no honest mistake explains."""


def examine_for(settings: Settings) -> Callable[[str, Sandbox], Verdict]:
    """`examine` for programs of these settings."""
    operator = operator_for(settings)
    headline = dict(shapes_for(operator, settings)[0].sizes)

    @judged
    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where a program is right wherever it is tried, else why not."""
        digits, seconds = _examined(source, operator, settings, headline, sandbox)
        return Verdict(
            Status.SCORED, Metric(0.0), facts={"behaviour": digits}, timings={"cpu_seconds": seconds}
        )

    return examine


def hidden_sizes(operator: Operator, seed: int, count: int) -> list[Sizes]:
    """So many sizes that nobody could have prepared for, all small."""
    return list(itertools.islice(operator.hidden(seed), RANDOM, RANDOM + count))


def seed_of(source: str, *parts: object) -> int:
    """A seed that no program can know of itself, and that is the same in every run."""
    text = "\0".join([source, *map(str, parts)])
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "little")


def run(
    runner: str,
    source: str,
    settings: Settings,
    limits: Limits,
    sandbox: Sandbox,
    doing: str,
    arrays: Sequence[SharedArrays] = (),
    **asked: Any,
) -> Outcome:
    """What a runner of `inside` answers. Raises Failed where it finds something wrong or does not finish."""
    parameters = {"settings": settings.model_dump(mode="json"), **asked}
    outcome = sandbox.run(f"{RUNNER}:{runner}", source, parameters=parameters, inputs=arrays, limits=limits)
    require_finished(outcome, doing)
    if outcome.text:
        name = outcome.text.partition(" ")[0]
        raise Failed(Status.CHEATED if name in CHEATING else Status.INVALID, outcome.text)
    return outcome


def check_further(
    source: str, settings: Settings, seed: int, count: int, limits: Limits, sandbox: Sandbox
) -> None:
    """Raises Failed where the program is wrong at so many further hidden sizes of this seed."""
    asked = {"sizes": hidden_sizes(operator_for(settings), seed, count), "others": [], "seed": seed}
    run("check", source, settings, limits, sandbox, "being checked on further sizes", gate=asked)


def _examined(
    source: str, operator: Operator, settings: Settings, headline: Sizes, sandbox: Sandbox
) -> tuple[str, float]:
    """(Fingerprint, CPU seconds) of a program that is right. Raises Failed."""
    dtype, seed = getattr(torch, settings.dtype), seed_of(source, settings.seed)
    known = list(itertools.islice(operator.hidden(settings.seed), max(settings.hidden_sizes, PROBE + 1)))
    fresh = hidden_sizes(operator, seed, 2)
    cases = [
        _case(operator, known[PROBE], dtype, settings.seed),
        _case(operator, fresh[1], dtype, seed),
    ]
    arrays = {
        f"{number} {name}": wire.packed(tensor)
        for number, case in enumerate(cases)
        for name, tensor in case.items()
    }
    gate = {
        "sizes": [*known[: settings.hidden_sizes], fresh[0]],
        "others": [known[PROBE]],
        "seed": seed,
    }
    forms = [
        {
            name: (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in case.items()
        }
        for case in cases
    ]
    with SharedArrays(arrays) as shared, COMPILATIONS.sent() as compiled:
        given = (settings, LIMITS, sandbox, "being examined", [shared, compiled])
        outcome = run("examine", source, *given, gate=gate, cases=forms, headline=headline)
    COMPILATIONS.keep(outcome.arrays)
    results: dict[str, np.ndarray] = {}
    for number, case in enumerate(cases):
        for name, tensor in _compared(operator, number, case, outcome.arrays):
            results[f"{number} {name}"] = tensor.double().numpy()
    probe = {name: array for name, array in results.items() if name.startswith("0 ")}
    digits = f"{behaviour(probe)} {_launched(wire.read(outcome.arrays))}"
    return sha256(digits.encode()).hexdigest()[:16], outcome.cpu_seconds


def _case(operator: Operator, sizes: Sizes, dtype: torch.dtype, seed: int) -> dict[str, Tensor]:
    grad, inputs = drawn(operator, sizes, dtype, seed)
    return {"grad": grad, **dict(zip(operator.inputs, inputs, strict=True))}


def _compared(
    operator: Operator, number: int, case: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, Tensor]]:
    """The results of a case by name. Raises Failed where one is wrong."""
    inputs = tuple(case[name] for name in operator.inputs)
    rng = torch.Generator().manual_seed(0)
    forward = accuracy.truths(lambda given: accuracy.forward(operator, given), inputs, rng)
    backward = accuracy.truths(
        lambda given: accuracy.backward(operator, given[:-1], given[-1]), (*inputs, case["grad"]), rng
    )
    names = ("output", *operator.differentiable)
    for name, truth in zip(names, (*forward, *backward), strict=True):
        raw = arrays.get(f"{number} {name}")
        if raw is None:
            raise Failed(Status.CRASHED, f"it sent no {name} for a case that it was given")
        result = wire.unpacked(raw, truth.exact.shape, case["grad"].dtype)
        words = accuracy.pattern(result, truth, strict=True)
        if words is None and (off := accuracy.miss(result, truth)).fails:
            words = f"a relative error of {off.relative:.1e}, {off.ratio:.3g} times eager's"
        if words:
            raise Failed(
                Status.INVALID, f"{name} is wrong on inputs of shape {tuple(inputs[0].shape)}: {words}"
            )
        yield name, result


def _launched(record: Mapping[str, Any]) -> str:
    """What makes two programs of equal results differ in speed: code, grid, options and arguments."""
    digest = sha256()
    try:
        for direction in ("forward", "backward"):
            for launch in record[direction]["launches"]:
                parts = [launch[name] for name in LAUNCHED]
                digest.update(f"{parts} {sha256(launch['ptx'].encode()).hexdigest()} ".encode())
    except (KeyError, TypeError, AttributeError):
        raise Failed(Status.CRASHED, "it sent a record of its launches that cannot be read") from None
    return digest.hexdigest()
