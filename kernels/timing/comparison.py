"""A comparison on one GPU: a subject that is right first, then timed beside baselines, then right again."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..estimate import roofline
from ..estimate.device import DEVICES, H100
from ..gate import accuracy, layouts
from ..operators import Operator, Sizes
from . import baselines, clock
from .cuda import Driver, LaunchRefused
from .cuda_graphs import EMPTY, Build, Captured
from .measurements import Timing
from .replay import Attempt

SUBJECT = "program"
"""The contender that everything is compared with."""
_SETS = (4, 16)
"""Sets of inputs that calls rotate over, at least and at most; more as long as they are below `_ROTATED`."""
_ROTATED = 100 << 20
_REPEATS = 20
_CHECKED = 2
"""How many sets are compared with float64, before and after."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as a comparison needs it."""

    name: str
    """The device's, as torch has it."""
    target: str
    """What binaries it runs as they are: "sm_90"."""
    device: torch.device
    launcher: Driver
    bytes_per_second: float
    clock: Callable[[Mapping[str, Sequence[Build]], bool], Captured]
    """From builds by contender, and whether calls are to be cold."""


class Comparison:
    """One direction of an operator at one size on several sets of inputs."""

    def __init__(
        self,
        operator: Operator,
        sizes: Sizes,
        dtype: torch.dtype,
        direction: str,
        gpu: Gpu,
        seed: int,
        subject: Callable[[accuracy.Inputs], Attempt],
    ) -> None:
        self.operator, self.sizes, self.dtype = operator, sizes, dtype
        self.direction, self.gpu, self.seed = direction, gpu, seed
        first = self.draw(0)
        size = sum(tensor.numel() * tensor.element_size() for tensor in first)
        count = min(max(_SETS[0], math.ceil(_ROTATED / max(size, 1))), _SETS[1])
        self.sets = [first, *(self.draw(index) for index in range(1, count))]
        self.attempts = [subject(inputs) for inputs in self.sets]
        self.worst = 0.0

    def draw(self, index: int) -> accuracy.Inputs:
        rng = torch.Generator(self.gpu.device).manual_seed(self.seed * 1000 + index)
        return accuracy.draw(self.operator, self.sizes, self.dtype, self.direction, rng)

    def evaluate(self, inputs: accuracy.Inputs) -> tuple[Tensor, ...]:
        return accuracy.evaluate(self.operator, self.direction, inputs)

    def call(self) -> None:
        for each in self.attempts[:_CHECKED]:
            each()

    def wrong(self, run: Callable[[], None]) -> Iterator[str]:
        """Sentences about what is wrong with the first sets' results after `run`, on poisoned memory."""
        checked = self.attempts[:_CHECKED]
        before = [[layouts.bits(tensor).clone() for tensor in each.inputs] for each in checked]
        for each in checked:
            each.poison()
        run()
        for each, olds in zip(checked, before, strict=True):
            for index, (tensor, old) in enumerate(zip(each.inputs, olds, strict=True)):
                if not torch.equal(layouts.bits(tensor), old):
                    yield f"input {index} does not hold what it held before the call"
            rng = torch.Generator(self.gpu.device).manual_seed(self.seed)
            truths = accuracy.truths(self.evaluate, tuple(each.inputs), rng)
            if len(each.outputs) != len(truths):
                yield f"{len(each.outputs)} results were recorded, the reference has {len(truths)}"
                continue
            for index, (output, truth) in enumerate(zip(each.outputs, truths, strict=True)):
                yield from self._wrong_result(index, output, truth)

    def _wrong_result(self, index: int, output: Tensor, truth: accuracy.Truth) -> Iterator[str]:
        if output.shape != truth.exact.shape or output.dtype != truth.eager.dtype:
            yield f"result {index} is {output.dtype} {tuple(output.shape)}, not {tuple(truth.exact.shape)}"
            return
        pattern = accuracy.pattern(output, truth, strict=True)
        if pattern:
            yield f"in result {index} {pattern}"
        off = accuracy.miss(output, truth)
        self.worst = max(self.worst, off.ratio)
        if off.fails:
            yield f"result {index} has {off}"

    def unrepeatable(self) -> str | None:
        """None, or that the same call on the same inputs gives other bits in one of 20 repeats."""
        first = self.attempts[0]
        first()
        kept = [tensor.clone() for tensor in first.outputs]
        for repeat in range(1, _REPEATS + 1):
            first.poison()
            first()
            for index, (one, other) in enumerate(zip(kept, first.outputs, strict=True)):
                if not layouts.same_bits(one, other):
                    return f"result {index} has other bits in repeat {repeat} of the same call: it races"
        return None

    def time(self, rounds: int, others: Mapping[str, Sequence[Build]]) -> tuple[Timing, Callable[[], None]]:
        """The timing, and what runs the timed calls once more.

        `others` are further contenders, by name, one build for each of `sets`. Raises LaunchRefused where the
        subject cannot be captured.
        """
        ours: list[Build] = [lambda each=each: each for each in self.attempts]  # type: ignore[misc]
        builds: dict[str, Sequence[Build]] = {SUBJECT: ours}
        for name, mode in baselines.MODES.items():
            build = partial(baselines.build, self.operator, self.direction, mode)
            builds[name] = [partial(build, inputs) for inputs in self.sets]
        builds.update(others)
        cold_clock = self.gpu.clock(builds, True)
        if SUBJECT in cold_clock.failed:
            raise LaunchRefused(cold_clock.failed[SUBJECT])
        cold = clock.compare(cold_clock, cold_clock.contenders(), self.seed, rounds)
        warm_clock = self.gpu.clock({SUBJECT: ours[:1] * _SETS[0]}, False)
        warm = clock.compare(warm_clock, warm_clock.contenders(), self.seed, rounds)
        about = (self.operator, self.sizes, self.dtype, self.direction)
        least, bound = roof(*about, self.gpu.name, self.gpu.bytes_per_second)
        timing = Timing(
            cold=cold.seconds[SUBJECT],
            warm=warm.seconds[SUBJECT],
            baselines={n: each for n, each in cold.seconds.items() if n not in (SUBJECT, EMPTY)},
            ratios={n: each for n, each in cold.ratios.items() if n != EMPTY},
            failed=dict(cold_clock.failed),
            bracket=cold.seconds[EMPTY].median,
            roofline_seconds=least,
            roofline_share=least / cold.seconds[SUBJECT].median,
            bound=bound,
            error_ratio=self.worst,
            discarded=cold.discarded,
            steady=cold.steady and warm.steady,
            sm_mhz=cold.sm_mhz,
            watts=cold.watts,
        )
        return timing, lambda: cold_clock.replay(SUBJECT)


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
    work = roofline.work(operator, sizes, dtype)[direction == "backward"]
    known = DEVICES.get(device_name)
    device = replace(known or H100, dram_rate=bytes_per_second)
    least = roofline.seconds([work if known else replace(work, flops=0.0)], device)
    return least, "bytes" if least <= work.bytes / bytes_per_second else "operations"
