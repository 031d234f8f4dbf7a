"""One entry of the gpu-queue on one machine: its recorded launches in a comparison."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch

from ..gpu_queue.queue import Entry
from ..operators import OPERATORS
from . import clock, replay
from .comparison import Comparison, Gpu
from .cuda import LaunchRefused
from .measurements import Result, Timing, Verdict

_ATOMIC = re.compile(rb"\b(?:atom|red)\.[\w.:]*\.(?:add|min|max|exch|cas)[\w.]*\b")
_TOO_FAST = 1.2
"""Share of the roofline. Results that fit L2 need not reach memory within the call, so 1 may be passed."""


def measure_entry(entry: Entry, gpu: Gpu, seed: int, rounds: int = clock.ROUNDS) -> Result:
    """What this machine has to say of an entry. `seed` makes its inputs and its intervals.

    Raises what the device raises where a launch breaks it: run it in a process of its own.
    """
    operator = OPERATORS.get(entry.operator)
    if operator is None:
        return Result(entry.id, entry.program, "refused", f"there is no operator {entry.operator!r} here")
    assembled = "cubin" if entry.target == gpu.target and all(step.cubin for step in entry.steps) else "ptx"

    def said(verdict: Verdict, reason: str) -> Result:
        return Result(entry.id, entry.program, verdict, reason, assembled)

    timings: dict[str, Timing] = {}
    try:
        handles = replay.loaded(entry, gpu.launcher, assembled)
        for direction in entry.passes:
            prepare = partial(replay.prepare, entry, direction, launcher=gpu.launcher, handles=handles)
            dtype = getattr(torch, entry.dtype)
            comparison = Comparison(operator, entry.sizes, dtype, direction, gpu, seed, prepare)
            wrong = next(comparison.wrong(comparison.call), None)
            if wrong:
                return said("wrong", f"{direction}: {wrong}")
            if not _adds_atomically(entry, direction):
                wrong = comparison.unrepeatable()
                if wrong:
                    return said("wrong", f"{direction}: {wrong}")
            timings[direction], again = comparison.time(rounds, {})
            wrong = next(comparison.wrong(again), None)
            if wrong:
                return said("wrong", f"{direction}, after timing: {wrong}")
    except (LaunchRefused, torch.OutOfMemoryError, ValueError) as refusal:
        return said("refused", str(refusal))
    return replace(said("measured", _doubt(timings)), timings=timings)


def _adds_atomically(entry: Entry, direction: str) -> bool:
    """Whether the sum of a result may depend on the order of programs: PTX has atomics of floats."""
    return any(_ATOMIC.search(entry.code[step.ptx]) for step in entry.passes[direction].steps)


def _doubt(timings: Mapping[str, Timing]) -> str:
    """What a reader should look at before believing a time."""
    fast = [name for name, each in timings.items() if each.roofline_share > _TOO_FAST]
    return (
        f"faster than the roofline allows in {' and '.join(fast)}: look before you believe it" if fast else ""
    )
