"""Bytes that a launch moves, from DRAM and from L2, scaled from its interpreted programs to its grid.

A program asks L2 for each sector that it touches, and again where L1 cannot have kept it. DRAM gives each
distinct sector once a launch (`footprint.py` says how many there are), less what an earlier launch of the
same call left in L2. So weights that every program reads count once for DRAM and once a program for L2. That
a region larger than L2 may have to be fetched again is not seen: it depends on the order of programs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..interpreter.footprint import Footprint
from ..interpreter.launch_account import Account
from ..record.binary import Binary
from ..record.launch_record import Buffer, Descriptor, Launch
from .device import Device

_ATOMIC = 2.0
"""Sectors that an atomic operation moves for each that it names: one to read, one to write."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one launch."""

    dram: float
    l2: float
    shared: float
    """Of those asked of L2, bytes that another program asks for too: all but the first request of each
    sector."""
    past_l1: float
    """Share of what is loaded that L2 has to give, 0 to 1."""
    past_l2: float
    """Share of what is loaded that DRAM has to give, 0 to 1."""


class Recent:
    """What the launches of one call have touched, newest first: what L2 may still hold."""

    def __init__(self, capacity: float) -> None:
        self._capacity = capacity
        self._touched = 0.0
        self._since: dict[int, float] = {}

    def held(self, storage: int) -> float:
        """Share of a storage's bytes that L2 still holds, 0 to 1."""
        if storage not in self._since:
            return 0.0
        behind = self._touched - self._since[storage]
        return min(1.0, self._capacity / behind) if behind else 1.0

    def touch(self, bytes_of: Sequence[tuple[int, float]]) -> None:
        """Remember that a launch touched so many bytes of each storage."""
        before = self._touched
        self._touched += sum(size for _, size in bytes_of)
        for storage, _ in bytes_of:
            self._since[storage] = before


def traffic(
    launch: Launch,
    account: Account,
    binary: Binary,
    spilled: float,
    blocks: int,
    device: Device,
    recent: Recent,
) -> Traffic:
    """What the launch moves after those that `recent` has seen; it is then remembered there.

    `spilled`: bytes of spilled registers that one warp moves. `blocks`: programs on one multiprocessor at
    once.
    """
    programs = launch.programs
    scale = programs / account.programs
    stored = loaded = fresh = 0.0
    touched = []
    for footprint in footprints(launch, account):
        distinct = footprint.of(programs)
        if footprint.stored:
            stored += distinct
        else:
            loaded += distinct
            fresh += distinct * (1 - recent.held(footprint.storage))
        touched.append((footprint.storage, distinct))
    recent.touch(touched)
    asked, loads = account.total("load_sectors") * scale, _past_l1(launch, account, blocks, device) * scale
    stores = (account.total("store_sectors") + _ATOMIC * account.total("atomic_sectors")) * scale
    to_l2, to_dram = _spills(launch, binary, spilled, blocks, device)
    return Traffic(
        dram=fresh + stored + to_dram,
        l2=loads + stores + to_l2,
        shared=max(0.0, loads - loaded),
        past_l1=loads / asked if asked else 0.0,
        past_l2=min(1.0, fresh / asked) if asked else 0.0,
    )


def _past_l1(launch: Launch, account: Account, blocks: int, device: Device) -> float:
    """Bytes of loads that L2 sees from the interpreted programs.

    The first touch of a sector by a program always; another one where L1, shared memory taken off, does not
    hold what all programs beside it touch more than once.
    """
    again = [each for each in account.traffic.values() if each.load_sectors > each.program_load]
    need = blocks * sum(each.program_load for each in again) / account.programs
    room = max(0, device.l1 - blocks * launch.shared)
    lost = 1 - min(1.0, room / need) if need else 0.0
    first = sum(min(each.program_load, each.load_sectors) for each in account.traffic.values())
    return first + lost * (account.total("load_sectors") - first)


def footprints(launch: Launch, account: Account) -> list[Footprint]:
    """What the interpreted programs touched, by argument, loads and stores apart."""
    found = []
    for name, moved in account.traffic.items():
        storage, size = _place(launch, name)
        for each, union, stored in (
            (moved.program_load, moved.unique_load, False),
            (moved.program_store, moved.unique_store, True),
        ):
            if union:
                mean = each / account.programs
                found.append(Footprint(storage, max(size, union), mean, union, account.programs, stored))
    return found


def inconsistency(launch: Launch, account: Account) -> str:
    """What in an account cannot be, in words; empty where nothing is. Records may come from a hostile
    process."""
    if not 0 < account.programs <= launch.programs:
        return f"{account.programs} interpreted programs of {launch.programs}"
    if launch.warps < 1 or launch.stages < 0 or launch.shared < 0:
        return f"{launch.warps} warps, {launch.stages} stages and {launch.shared} bytes of shared memory"
    for name, moved in account.traffic.items():
        known = [isinstance(launch.arguments.get(each), Buffer | Descriptor) for each in name.split("+")]
        if not all(known):
            return f"traffic of {name}, which is no tensor that it was given"
        # an atomic touches a sector as a load and as a store, and is counted as neither
        ordered = (
            (0, moved.unique_load, moved.program_load, moved.load_sectors + moved.atomic_sectors),
            (0, moved.unique_store, moved.program_store, moved.store_sectors + moved.atomic_sectors),
        )
        least = min(vars(moved).values())
        if least < 0 or any(list(each) != sorted(each) for each in ordered):
            return f"traffic of {name} that contradicts itself: {moved}"
    counts = [*account.tensor_flops.values(), *(count for _, _, count in account.lines)]
    if not all(0 <= count < math.inf for count in counts):
        return "operations or executions of lines below zero or without end"
    return ""


def _place(launch: Launch, names: str) -> tuple[int, float]:
    """(Storage, bytes from first to last element) of an argument, or of several whose memory overlaps:
    "a+b"."""
    arguments = [launch.arguments[name] for name in names.split("+")]
    buffers = [each.base if isinstance(each, Descriptor) else each for each in arguments]
    held = [each for each in buffers if isinstance(each, Buffer)]
    spans = [_span(each) for each in held]
    return held[0].storage, max(end for _, end in spans) - min(start for start, _ in spans)


def _span(buffer: Buffer) -> tuple[int, int]:
    size: int = getattr(torch, buffer.dtype).itemsize
    last = sum((count - 1) * stride for count, stride in zip(buffer.shape, buffer.strides, strict=True))
    return buffer.offset, buffer.offset + (last + 1) * size


def _spills(
    launch: Launch, binary: Binary, spilled: float, blocks: int, device: Device
) -> tuple[float, float]:
    """Bytes of spilled registers that L2 and DRAM see: what outgrows L1, and what outgrows L2."""
    room = blocks * launch.warps * 32 * binary.spill_bytes
    if not room or not spilled:
        return 0.0, 0.0
    moved = spilled * launch.warps * launch.programs
    near = max(0, device.l1 - blocks * launch.shared)
    past_l1 = moved * max(0.0, 1 - near / room)
    return past_l1, past_l1 * max(0.0, 1 - device.l2 * device.l2_useful / (room * device.multiprocessors))
