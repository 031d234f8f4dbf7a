"""How long recorded launches would take on a GPU that is not there: an estimate, never a time.

`estimate` reads what a launch was (grid, warps, stages), what its binary is (registers, spills, shared
memory, instructions) and what its interpreted programs did (bytes, sectors, operations, executions of each
line), and states for each launch how many seconds each part of the device would need, were it alone.
`docs/estimates.md` says how far to believe it. It is deterministic and reads nothing but the records.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..record.binary import Binary
from ..record.launch_record import Launch
from .calibration import Calibration
from .components import bound, combine, weighted
from .device import H100, ISSUE_RATE, PIPES, Device, occupancy
from .mix import Body, Segment, bodies, segments
from .roofline import Work, seconds
from .traffic import Recent, Traffic, inconsistency, traffic


@dataclass(frozen=True)
class LaunchEstimate:
    """One launch: where its seconds would go."""

    kernel: str
    parts: Mapping[str, float]
    """Seconds by name of `PARTS`, before any calibration."""
    seconds: float
    """As an estimate, calibrated where there is a calibration."""
    bound: str
    """The part that takes longest; "launch" where the kernel does next to nothing."""
    registers: int
    spill_bytes: int
    shared_bytes: int
    traffic: Traffic


@dataclass(frozen=True)
class Estimate:
    """One call: its launches one after the other. A static estimate, not a measured time."""

    device: str
    launches: tuple[LaunchEstimate, ...]
    seconds: float
    roofline: float
    """Seconds of the operator's roofline, 0 where its work was not given."""
    calibration: Calibration | None

    @property
    def bound(self) -> str:
        """What bounds the launch that takes longest; "nothing" where nothing is launched."""
        slowest = max(self.launches, key=lambda each: each.seconds, default=None)
        return "nothing" if slowest is None else slowest.bound

    @property
    def share(self) -> float:
        """Estimated share of the roofline, 0 to 1; 0 without the operator's work.

        Never above 1: an estimate below what the operator must cost is an error of the estimate.
        """
        return min(1.0, self.roofline / self.seconds) if self.seconds else 1.0

    @property
    def trust(self) -> str:
        """Whether and how well the number was calibrated, to be shown wherever the number is."""
        return "uncalibrated" if self.calibration is None else self.calibration.trust

    def __str__(self) -> str:
        share = f", {self.share:.0%} of the roofline" if self.roofline else ""
        return (
            f"estimate {self.seconds * 1e6:.2f} us on {self.device} ({self.trust}): {self.bound}{share}, "
            f"{len(self.launches)} launches"
        )


def estimate(
    launches: Sequence[Launch],
    device: Device = H100,
    calibration: Calibration | None = None,
    work: Sequence[Work] = (),
    warm: bool = False,
) -> Estimate:
    """What one call that launches these in turn would take on the device.

    `work`: what the operator must do, for the share of the roofline. `warm`: the same call came just before,
    so L2 holds of its memory what fits; otherwise L2 is empty. Raises `CannotLaunch` where a block does not
    fit a multiprocessor, ValueError where a launch was not assembled, not interpreted or contradicts itself,
    and where the calibration is another device's.
    """
    if calibration is not None and calibration.device != device.name:
        raise ValueError(
            f"expected a calibration for {device.name}, got one for {calibration.device}: "
            "measure on this device, or leave the calibration out"
        )
    weights = {} if calibration is None else calibration.weights
    recent = Recent(device.l2 * device.l2_useful)
    for _ in range(2 if warm else 1):
        rows = [_launch(each, device, recent, weights) for each in launches if each.programs]
    total = sum(each.seconds for each in rows)
    return Estimate(device.name, tuple(rows), total, seconds(work, device), calibration)


def _launch(launch: Launch, device: Device, recent: Recent, weights: Mapping[str, float]) -> LaunchEstimate:
    binary, account = launch.binary, launch.account
    if binary is None or account is None or not account.programs:
        raise ValueError(
            f"expected a launch of {launch.kernel} that was assembled and interpreted, got one with no "
            f"{'binary' if binary is None else 'account'}: record with assemble=True and execute='sample'"
        )
    if not binary.instructions:
        raise ValueError(f"expected machine code of an NVIDIA GPU, got a launch for {launch.target}")
    if wrong := inconsistency(launch, account):
        raise ValueError(f"expected a record of {launch.kernel} as the recorder makes it, got {wrong}")
    programs, warps = launch.programs, launch.warps
    blocks, _ = occupancy(binary.registers, warps, launch.shared, device)
    most = math.ceil(programs / device.multiprocessors)
    """Programs of the busiest multiprocessor."""
    live = min(blocks, most)
    dots = sum(account.tensor_flops.values()) / account.programs
    body = segments(
        _bodies(binary),
        {(Path(file).name, line): count for file, line, count in account.lines},
        warps,
        dots,
        account.total("load_lanes") / account.programs,
    )
    moved = traffic(
        launch, account, binary, sum(each.trips * each.spill_bytes for each in body), live, device, recent
    )
    busy = most / min(1.0, live * warps / ISSUE_RATE) / device.clock
    """Seconds for each clock of one program; a scheduler without a warp idles."""
    tensor = sum(each.trips * product_cycles(each, warps, device) for each in body)
    parts = {
        "launch": device.launch,
        "dram": moved.dram / device.dram_rate,
        "l2": max(
            (moved.l2 - device.merged * moved.shared) / device.l2_rate,
            most * moved.l2 / programs / (device.port_rate * device.clock),
        ),
        "tensor": tensor * busy,
        "fp": warps * sum(_pipe(body, name) / PIPES[name][0] for name in ("float32", "double")) * busy,
        "issue": warps * _issue(body) * busy,
        "latency": math.ceil(programs / (device.multiprocessors * blocks))
        * chain(body, launch.stages, warps, moved, device),
    }
    priced = weighted(parts, weights)
    return LaunchEstimate(
        kernel=launch.kernel,
        parts=parts,
        seconds=combine(priced, device.overlap),
        bound=bound(priced),
        registers=binary.registers,
        spill_bytes=binary.spill_bytes,
        shared_bytes=launch.shared,
        traffic=moved,
    )


@lru_cache(maxsize=512)
def _bodies(binary: Binary) -> tuple[Body, ...]:
    return bodies(binary.instructions)


def _pipe(body: Sequence[Segment], name: str) -> float:
    return sum(each.trips * each.pipes.get(name, 0.0) for each in body)


def _issue(body: Sequence[Segment]) -> float:
    """Clocks of a multiprocessor for one warp: the slowest of its schedulers and units, floating point
    apart."""
    units = [_pipe(body, name) / PIPES[name][0] for name in PIPES if name not in ("float32", "double")]
    schedulers = sum(each.trips * each.instructions for each in body) / ISSUE_RATE
    return max(schedulers, sum(each.trips * each.memory_cycles for each in body), *units)


def product_cycles(segment: Segment, warps: int, device: Device) -> float:
    """Clocks of a multiprocessor's tensor cores for one trip of one program.

    A product of four warps reads its operands from shared memory, which bounds narrow ones; a product of one
    warp has them in registers and reaches `device.synchronous` of the rate.
    """
    total = 0.0
    for product, count in segment.products.items():
        rate = device.tensor_rates[product.precision] / device.multiprocessors / device.clock
        cycles = product.flops / rate
        cycles = max(cycles, product.shared / 128) if product.group else cycles / device.synchronous
        total += warps * count * cycles
    return total


def chain(body: Sequence[Segment], stages: int, warps: int, moved: Traffic, device: Device) -> float:
    """Seconds from the start to the end of one program that has a multiprocessor for itself.

    The first load of a program waits in full. In a loop, copies that run `stages - 1` trips ahead wait only
    as far as that many trips of work do not cover them; a plain load waits in full in each trip. A load
    waits for L1, L2 or DRAM in the shares that these have to give.
    """
    wait = device.l1_latency + moved.past_l1 * (device.l2_latency - device.l1_latency)
    wait += moved.past_l2 * (device.dram_latency - device.l2_latency)
    step = max(device.instruction_cycles, warps / ISSUE_RATE)
    total = 0.0
    for each in body:
        cycles = (
            each.instructions * step
            + each.spills * device.spill_cycles
            + each.barriers * device.barrier_cycles
        )
        alone = product_cycles(each, warps, device) / min(1.0, warps / ISSUE_RATE)
        trip = max(cycles, alone) / device.clock
        if each.looped and each.copies:
            trip = max(trip, wait / max(1, stages - 1))
        elif each.looped and each.loads:
            trip += wait
        total += each.trips * trip
    if any(each.loads or each.copies for each in body):
        total += device.dram_latency
    return total
