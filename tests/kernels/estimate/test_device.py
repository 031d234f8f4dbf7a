import dataclasses

import pytest

from recevolve.kernels.estimate.device import DEVICES, H100, SOURCES, CannotLaunch, Device, occupancy


@pytest.mark.parametrize(
    ("registers", "threads", "shared", "blocks", "limited_by"),
    [
        # https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/#calculating-occupancy works out these two,
        # for a device with as many registers and warps as this one: 75 % and 63 % of its warps
        (37, 128, 0, 12, "registers"),
        (37, 320, 0, 4, "registers"),
        # the limits of https://docs.nvidia.com/cuda/hopper-tuning-guide/#occupancy
        (32, 1024, 0, 2, "warps"),
        (32, 32, 0, 32, "blocks"),
        (16, 64, 227 * 1024, 1, "shared"),
        (16, 64, 113 * 1024, 2, "shared"),
        (255, 128, 0, 2, "registers"),
    ],
)
def test_occupancy_is_that_of_the_calculator(
    registers: int, threads: int, shared: int, blocks: int, limited_by: str
) -> None:
    assert occupancy(registers, threads // 32, shared) == (blocks, limited_by)


@pytest.mark.parametrize(
    ("registers", "warps", "shared", "short"),
    [(255, 16, 0, "registers"), (32, 4, 227 * 1024 + 1, "shared")],
)
def test_a_block_that_does_not_fit_is_refused(registers: int, warps: int, shared: int, short: str) -> None:
    with pytest.raises(CannotLaunch, match=f"too much of its {short}"):
        occupancy(registers, warps, shared)


def test_every_constant_says_where_it_is_from() -> None:
    assert set(SOURCES) == {each.name for each in dataclasses.fields(Device)} - {"name"}
    assert all(source.startswith(("https://", "assumed")) for source in SOURCES.values())


def test_the_faster_memory_is_the_only_difference_between_the_cards() -> None:
    assert {
        each.name
        for each in dataclasses.fields(Device)
        if getattr(H100, each.name) != getattr(DEVICES["NVIDIA H200"], each.name)
    } == {"name", "dram_rate"}
