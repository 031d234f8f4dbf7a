"""One entry of the gpu-queue on one machine: right first, then timed, then right again."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from . import accuracy, baselines, clock, layouts, replay, roofline
from .captured import EMPTY, Build
from .device import DEVICES, H100, Device
from .measurements import Ratio, Result, Seconds, Timing
from .operators import OPERATORS, Operator
from .queue import Entry
from .roofline import Work

PROGRAM = "program"
"""The contender's name."""
_SETS = (4, 16)
"""Sets of inputs that calls rotate over, at least and at most; more as long as they are below `_ROTATED`."""
_ROTATED = 100 << 20
_CHECKED = 2
"""How many sets are compared with float64, before and after."""


class Clock(clock.Device, Protocol):
    """A clock's device that can also repeat its calls and says what it could not take."""

    @property
    def failed(self) -> Mapping[str, str]: ...

    def contenders(self) -> Sequence[str]: ...

    def replay(self, contender: str) -> None: ...


@dataclass(frozen=True)
class Place:
    """A machine as judging needs it."""

    name: str
    """The device's."""
    target: str
    """What binaries it runs as they are: "sm_90"."""
    device: torch.device
    launcher: replay.Launcher
    bytes_per_second: float
    clock: Callable[[Mapping[str, Sequence[Build]], bool], Clock]
    """From builds by contender, and whether calls are to be cold."""


def judge(entry: Entry, place: Place, seed: int, rounds: int = clock.ROUNDS) -> Result:
    """What this machine has to say of an entry. `seed` makes its inputs and its intervals.

    Raises what the device raises where a launch breaks it: run it in a process of its own.
    """
    operator = OPERATORS.get(entry.operator)
    if operator is None:
        return _result(entry, "refused", f"there is no operator {entry.operator!r} here")
    assembled = "cubin" if entry.target == place.target and _has_binaries(entry) else "ptx"
    timings = {}
    try:
        handles = replay.loaded(entry, place.launcher, assembled)
        for direction in entry.passes:
            judged = _Direction(entry, operator, direction, place, seed)
            judged.prepare(handles)
            wrong = next(judged.wrong(judged.call), None)
            if wrong:
                return replace(_result(entry, "wrong", f"{direction}: {wrong}"), assembled=assembled)
            timings[direction], again = judged.time(rounds)
            wrong = next(judged.wrong(again), None)
            if wrong:
                return replace(
                    _result(entry, "wrong", f"{direction}, after timing: {wrong}"), assembled=assembled
                )
    except (replay.LaunchRefused, torch.OutOfMemoryError, ValueError) as refusal:
        return replace(_result(entry, "refused", str(refusal)), assembled=assembled)
    return Result(entry.id, entry.program, "measured", assembled=assembled, timings=timings)


def _result(entry: Entry, verdict: str, reason: str) -> Result:
    return Result(entry.id, entry.program, verdict, reason)  # type: ignore[arg-type]


def _has_binaries(entry: Entry) -> bool:
    return all(step.cubin for each in entry.passes.values() for step in each.steps)


class _Direction:
    """Forward or backward of an entry, on several sets of inputs."""

    def __init__(self, entry: Entry, operator: Operator, direction: str, place: Place, seed: int) -> None:
        self.entry, self.operator, self.direction, self.place = entry, operator, direction, place
        self.seed = seed
        self.dtype = replay.DTYPES[entry.dtype]
        first = self.draw(0)
        size = sum(tensor.numel() * tensor.element_size() for tensor in first)
        count = min(max(_SETS[0], math.ceil(_ROTATED / max(size, 1))), _SETS[1])
        self.sets = [first, *(self.draw(index) for index in range(1, count))]
        self.replays: list[replay.Replay] = []
        self.worst = 0.0

    def draw(self, index: int) -> accuracy.Inputs:
        rng = torch.Generator(self.place.device).manual_seed(self.seed * 1000 + index)
        inputs = self.operator.draw(self.entry.sizes, self.dtype, rng)
        if self.direction == "backward":
            (output,) = accuracy.forward(self.operator, inputs)
            grad = torch.randn(output.shape, generator=rng, device=rng.device).to(self.dtype)
            inputs = (*inputs, grad)
        return inputs

    def prepare(self, handles: Mapping[tuple[str, str], object]) -> None:
        self.replays = [
            replay.prepare(self.entry, self.direction, inputs, self.place.launcher, handles)
            for inputs in self.sets
        ]

    def evaluate(self, inputs: accuracy.Inputs) -> tuple[Tensor, ...]:
        if self.direction == "forward":
            return accuracy.forward(self.operator, inputs)
        return accuracy.backward(self.operator, inputs[:-1], inputs[-1])

    def call(self) -> None:
        for each in self.replays[:_CHECKED]:
            each()

    def wrong(self, run: Callable[[], None]) -> Iterator[str]:
        """Sentences about what is wrong with the first sets' results after `run`, on poisoned memory."""
        checked = self.replays[:_CHECKED]
        before = [[layouts.bits(tensor).clone() for tensor in each.inputs] for each in checked]
        for each in checked:
            each.poison()
        run()
        for each, olds in zip(checked, before, strict=True):
            for index, (tensor, old) in enumerate(zip(each.inputs, olds, strict=True)):
                if not torch.equal(layouts.bits(tensor), old):
                    yield f"input {index} does not hold what it held before the call"
            rng = torch.Generator(self.place.device).manual_seed(self.seed)
            truths = accuracy.truths(self.evaluate, each.inputs, rng)
            if len(each.outputs) != len(truths):
                yield f"{len(each.outputs)} results were recorded, the reference has {len(truths)}"
                continue
            for index, (output, truth) in enumerate(zip(each.outputs, truths, strict=True)):
                yield from self._wrong_result(index, output, truth)

    def _wrong_result(self, index: int, output: Tensor, truth: accuracy.Truth) -> Iterator[str]:
        if output.shape != truth.exact.shape or output.dtype != truth.eager.dtype:
            yield f"result {index} is {output.dtype} {tuple(output.shape)}, not {tuple(truth.exact.shape)}"
            return
        place = accuracy.pattern(output, truth, strict=True)
        if place:
            yield f"in result {index} {place}"
        off = accuracy.miss(output, truth)
        self.worst = max(self.worst, off.ratio)
        if off.fails:
            yield (
                f"result {index} has a relative error of {off.relative:.1e}, {off.ratio:.3g} times eager's "
                f"{off.eager:.1e}; {accuracy.ALLOWANCE:g} times are allowed"
            )

    def time(self, rounds: int) -> tuple[Timing, Callable[[], None]]:
        """The timing, and what runs the timed calls once more."""
        ours: list[Build] = [lambda each=each: each for each in self.replays]  # type: ignore[misc]
        builds: dict[str, Sequence[Build]] = {PROGRAM: ours}
        for name, mode in baselines.MODES.items():
            builds[name] = [
                baselines.build(self.operator, self.direction, mode, inputs) for inputs in self.sets
            ]
        cold_clock = self.place.clock(builds, True)
        if PROGRAM in cold_clock.failed:
            raise replay.LaunchRefused(cold_clock.failed[PROGRAM])
        cold = clock.compare(cold_clock, cold_clock.contenders(), self.seed, rounds)
        warm_clock = self.place.clock({PROGRAM: ours[:1] * _SETS[0]}, False)
        warm = clock.compare(warm_clock, warm_clock.contenders(), self.seed, rounds)
        least, bound = roof(
            self.operator,
            self.entry.sizes,
            self.dtype,
            self.direction,
            self.place.name,
            self.place.bytes_per_second,
        )
        timing = Timing(
            cold=Seconds(**asdict(cold.spreads[PROGRAM])),
            warm=Seconds(**asdict(warm.spreads[PROGRAM])),
            baselines={
                name: Seconds(**asdict(each))
                for name, each in cold.spreads.items()
                if name not in (PROGRAM, EMPTY)
            },
            ratios={
                name: Ratio(each.ratio, each.low, each.high, each.verdict)
                for name, each in cold.comparisons.items()
                if name != EMPTY
            },
            failed=dict(cold_clock.failed),
            bracket=cold.spreads[EMPTY].median,
            roofline_seconds=least,
            roofline_share=least / cold.spreads[PROGRAM].median,
            bound=bound,
            error_ratio=self.worst,
            discarded=cold.discarded,
            steady=cold.steady and warm.steady,
            sm_mhz=cold.sm_mhz,
            watts=cold.watts,
        )
        return timing, lambda: cold_clock.replay(PROGRAM)


def device_of(name: str, bytes_per_second: float) -> Device | None:
    """What we know of a device by torch's name for it, with its measured bandwidth; None: an unknown one."""
    known = next((each for key, each in DEVICES.items() if key in name.lower()), None)
    return known and replace(known, dram_rate=bytes_per_second)


def roof(
    operator: Operator,
    sizes: Mapping[str, int],
    dtype: torch.dtype,
    direction: str,
    device_name: str,
    bytes_per_second: float,
) -> tuple[float, str]:
    """(Seconds of the roofline, "bytes" or "operations").

    Bytes at the bandwidth that a copy reached on this device. On a device whose rate of operations we do not
    know, bytes alone.
    """
    work: Work = roofline.work(operator, sizes, dtype)[direction == "backward"]
    device = device_of(device_name, bytes_per_second)
    if device is None:
        device, work = replace(H100, dram_rate=bytes_per_second), replace(work, flops=0.0)
    by_bytes = work.bytes / bytes_per_second
    least = roofline.seconds([work], device)
    return least, "bytes" if least <= by_bytes else "operations"
