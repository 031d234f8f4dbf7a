"""One entry of the gpu-queue on one machine: its recorded launches in a contest."""

from dataclasses import replace
from functools import partial

import torch

from . import clock, replay
from .contest import Contest, Place
from .measurements import Result, Timing, Verdict
from .operators import OPERATORS
from .queue import Entry


def judge(entry: Entry, place: Place, seed: int, rounds: int = clock.ROUNDS) -> Result:
    """What this machine has to say of an entry. `seed` makes its inputs and its intervals.

    Raises what the device raises where a launch breaks it: run it in a process of its own.
    """
    operator = OPERATORS.get(entry.operator)
    if operator is None:
        return Result(entry.id, entry.program, "refused", f"there is no operator {entry.operator!r} here")
    assembled = "cubin" if entry.target == place.target and _has_binaries(entry) else "ptx"

    def said(verdict: Verdict, reason: str) -> Result:
        return Result(entry.id, entry.program, verdict, reason, assembled)

    timings: dict[str, Timing] = {}
    try:
        handles = replay.loaded(entry, place.launcher, assembled)
        for direction in entry.passes:
            prepare = partial(replay.prepare, entry, direction, launcher=place.launcher, handles=handles)
            dtype = replay.DTYPES[entry.dtype]
            contest = Contest(operator, entry.sizes, dtype, direction, place, seed, prepare)
            wrong = next(contest.wrong(contest.call), None)
            if wrong:
                return said("wrong", f"{direction}: {wrong}")
            timings[direction], again = contest.time(rounds, {})
            wrong = next(contest.wrong(again), None)
            if wrong:
                return said("wrong", f"{direction}, after timing: {wrong}")
    except (replay.LaunchRefused, torch.OutOfMemoryError, ValueError) as refusal:
        return said("refused", str(refusal))
    return replace(said("measured", ""), timings=timings)


def _has_binaries(entry: Entry) -> bool:
    return all(step.cubin for each in entry.passes.values() for step in each.steps)
