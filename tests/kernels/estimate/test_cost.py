import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from recevolve.kernels.estimate import roofline
from recevolve.kernels.estimate.calibration import Calibration
from recevolve.kernels.estimate.components import PARTS
from recevolve.kernels.estimate.cost import Estimate, LaunchEstimate, estimate
from recevolve.kernels.estimate.device import H100, H200, CannotLaunch, occupancy
from recevolve.kernels.estimate.roofline import Work
from recevolve.kernels.interpreter.launch_account import Traffic
from recevolve.kernels.json_values import from_plain, to_plain
from recevolve.kernels.operators import OPERATORS
from recevolve.kernels.record.launch_record import Launch
from recevolve.kernels.record.launches import offline

from .. import priced

# Launches are assembled, which starts ptxas.
pytestmark = pytest.mark.process

BATCH, FIELDS, WIDTH = 8192, 27, 128
SIZES = {"B": BATCH, "F": FIELDS, "D": WIDTH}


def recorded(call: Callable[[], object], execute: str = "sample") -> list[Launch]:
    with offline(execute=execute) as recorder:
        call()
    return recorder.launches


def only(call: Callable[[], object], execute: str = "sample") -> LaunchEstimate:
    (found,) = estimate(recorded(call, execute)).launches
    return found


def fields(dtype: torch.dtype = torch.float32, batch: int = BATCH, width: int = WIDTH) -> Tensor:
    return torch.ones((batch, FIELDS, width), dtype=dtype)


@pytest.fixture(scope="module")
def tf32() -> list[Launch]:
    return recorded(lambda: priced.gram(fields()))


@pytest.fixture(scope="module")
def copied() -> list[Launch]:
    return recorded(lambda: priced.scale(torch.empty(1 << 24)))


def test_the_roofline_of_the_dot_product_is_known() -> None:
    # DLRM's layer also hands the dense feature on: 351 products and 128 numbers a row
    bytes_moved = 2 * BATCH * (FIELDS * WIDTH + 351 + 128)
    assert roofline.seconds([Work(1.0, bytes_moved, "bf16")]) == pytest.approx(21.5e-6, rel=2e-3)


def test_the_work_of_an_operator_is_that_of_its_counts() -> None:
    forward, backward = roofline.work(OPERATORS["pairwise_dot"], SIZES, torch.bfloat16)
    assert forward == Work(2 * BATCH * 351 * WIDTH, 2 * BATCH * (FIELDS * WIDTH + 351), "bf16")
    assert backward.bytes > forward.bytes
    assert roofline.seconds([forward, backward]) == pytest.approx(
        roofline.seconds([forward]) + roofline.seconds([backward])
    )


def test_much_work_on_few_bytes_is_bound_by_the_cores() -> None:
    flops = 1e12
    for precision, rate in H100.tensor_rates.items():
        assert roofline.seconds([Work(flops, 1.0, precision)]) == pytest.approx(flops / rate)
    assert roofline.seconds([Work(flops, 1.0, "fp32")]) > roofline.seconds([Work(flops, 1.0, "tf32")])


def test_a_copy_is_bound_by_memory_and_near_its_roofline(copied: list[Launch]) -> None:
    bytes_moved = 2 * 4 * (1 << 24)
    found = estimate(copied, work=[Work(1 << 24, bytes_moved, "fp32")])
    (launch,) = found.launches
    assert found.bound == "dram"
    assert launch.traffic.dram == pytest.approx(bytes_moved)
    assert 0.75 < found.share < 1


def test_more_bytes_take_longer() -> None:
    seconds = [only(lambda n=n: priced.scale(torch.empty(n))).seconds for n in (1 << 20, 1 << 22, 1 << 24)]
    assert seconds == sorted(seconds)
    assert seconds[2] > 3 * seconds[1]


def test_gaps_between_elements_are_paid_for(copied: list[Launch]) -> None:
    scattered = only(lambda: priced.scale(torch.empty(1 << 27), stride=8))
    (dense,) = estimate(copied).launches
    assert scattered.traffic.l2 == pytest.approx(4.5 * dense.traffic.l2)
    assert scattered.seconds > 3 * dense.seconds


def test_spilled_registers_are_paid_for(tf32: list[Launch]) -> None:
    spilling = only(lambda: priced.gram(fields(), "ieee", warps=1))
    fitting = only(lambda: priced.gram(fields(), "ieee", warps=8))
    assert spilling.spill_bytes > 0 == fitting.spill_bytes
    assert spilling.seconds > 2 * fitting.seconds
    # and even what fits is slower than the tensor cores
    (tensor,) = estimate(tf32).launches
    assert fitting.seconds > 1.5 * tensor.seconds
    assert tensor.parts["tensor"] > 0.0 == fitting.parts["tensor"]


def test_narrower_operands_are_cheaper(tf32: list[Launch]) -> None:
    narrow = only(lambda: priced.gram(fields(torch.bfloat16)))
    (wide,) = estimate(tf32).launches
    assert narrow.parts["tensor"] < wide.parts["tensor"]
    assert narrow.traffic.dram == pytest.approx(wide.traffic.dram / 2, rel=1e-3)


def test_a_pass_through_memory_is_paid_for(copied: list[Launch]) -> None:
    once, twice = estimate(copied), estimate(recorded(lambda: priced.scale_twice(torch.empty(1 << 24))))
    assert len(twice.launches) == 2
    assert twice.seconds > 1.8 * once.seconds


def test_what_the_launch_before_left_in_l2_is_not_fetched_again() -> None:
    first, second = estimate(recorded(lambda: priced.scale_twice(torch.ones(1 << 20)))).launches
    assert second.traffic.dram == pytest.approx(first.traffic.dram / 2)
    assert second.traffic.l2 == first.traffic.l2


def test_a_call_repeated_finds_in_l2_what_fits(copied: list[Launch]) -> None:
    small = recorded(lambda: priced.scale(torch.ones(1 << 20)))
    cold, warm = estimate(small).launches[0], estimate(small, warm=True).launches[0]
    assert warm.traffic.dram == pytest.approx(cold.traffic.dram / 2)
    assert (
        estimate(copied, warm=True).launches[0].traffic.dram > 0.8 * estimate(copied).launches[0].traffic.dram
    )


def test_every_launch_costs_its_start() -> None:
    (launch,) = recorded(lambda: priced.scale(torch.ones(64)))
    assert [each.parts["launch"] for each in estimate([launch] * 3).launches] == [H100.launch] * 3
    assert estimate([launch]).bound == "launch"
    assert estimate([]).seconds == 0.0


def test_weights_that_all_share_cross_once_and_are_asked_for_each_time() -> None:
    rows, width = 4096, 1024
    found = only(lambda: priced.weigh(torch.ones(rows, width), torch.ones(width)))
    assert found.traffic.dram == pytest.approx(4 * (rows * width + width + rows), rel=0.01)
    assert found.traffic.l2 == pytest.approx(4 * (2 * rows * width), rel=0.01)


def test_loading_again_is_paid_for_by_what_holds_it() -> None:
    x, weight = torch.ones(4096, 1024), torch.ones(1024)
    once, again = (only(lambda k=k: priced.weigh(x, weight, k)) for k in (1, 16))
    assert again.traffic.dram == pytest.approx(once.traffic.dram)
    assert again.traffic.l2 == pytest.approx(once.traffic.l2)  # L1 keeps eight kilobytes a program
    assert again.parts["issue"] > 2 * once.parts["issue"]
    assert again.seconds > once.seconds


def test_what_l1_cannot_keep_is_asked_of_l2_again() -> None:
    (launch,) = recorded(lambda: priced.weigh(torch.ones(4096, 1024), torch.ones(1024), 16))
    kept = estimate([launch]).launches[0]
    crowded = estimate([dataclasses.replace(launch, shared=227 * 1024)]).launches[0]
    assert occupancy(crowded.registers, launch.warps, 227 * 1024) == (1, "shared")
    assert crowded.traffic.l2 == pytest.approx(kept.traffic.l2)
    small = dataclasses.replace(H100, l1=230 * 1024)
    assert (
        estimate([dataclasses.replace(launch, shared=227 * 1024)], small).launches[0].traffic.l2
        > 8 * kept.traffic.l2
    )


def test_too_few_programs_leave_the_device_idle() -> None:
    x = torch.empty(1 << 20)
    few, many = (only(lambda n=n: priced.total(x, n)) for n in (4, 256))
    assert few.bound == "latency"
    assert few.seconds > 10 * many.seconds
    assert few.traffic.dram == pytest.approx(many.traffic.dram, rel=0.01)


@pytest.mark.parametrize(
    "call",
    [
        lambda: priced.gram(fields(torch.bfloat16, 64)),
        lambda: priced.weigh(torch.ones(64, 300), torch.ones(300)),
    ],
)
def test_four_programs_tell_what_all_tell(call: Callable[[], object]) -> None:
    every, four = only(call, "all"), only(call)
    assert four.seconds == pytest.approx(every.seconds, rel=0.02)
    assert four.traffic.dram == pytest.approx(every.traffic.dram, rel=0.05)
    assert four.traffic.l2 == pytest.approx(every.traffic.l2, rel=0.05)


def test_a_record_that_went_through_json_costs_the_same(tf32: list[Launch]) -> None:
    again = [from_plain(Launch, json.loads(json.dumps(to_plain(each)))) for each in tf32]
    assert estimate(again) == estimate(tf32)


def test_faster_memory_helps_what_memory_bounds(copied: list[Launch]) -> None:
    assert estimate(copied, H200).seconds < 0.8 * estimate(copied, H100).seconds


def test_fewer_resident_programs_wait_longer(copied: list[Launch]) -> None:
    (launch,) = copied
    crowded = estimate([launch]).launches[0]
    lonely = estimate([dataclasses.replace(launch, shared=200_000)]).launches[0]
    assert occupancy(lonely.registers, launch.warps, 200_000) == (1, "shared")
    assert lonely.parts["latency"] > 4 * crowded.parts["latency"]


def test_what_cannot_be_launched_has_no_estimate(copied: list[Launch]) -> None:
    with pytest.raises(CannotLaunch, match="shared"):
        estimate([dataclasses.replace(copied[0], shared=300_000)])


@pytest.mark.parametrize(
    ("missing", "named"), [({"binary": None}, "no binary"), ({"account": None}, "no account")]
)
def test_a_record_without_its_halves_is_refused(
    copied: list[Launch], missing: dict[str, None], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        estimate([dataclasses.replace(copied[0], **missing)])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"programs": 0}, "no account"),
        ({"programs": 1 << 40}, "interpreted programs"),
        ({"traffic": {"nothing": Traffic()}}, "no tensor"),
        ({"traffic": {"size": Traffic()}}, "no tensor"),
        ({"traffic": {"x": Traffic(load_sectors=-32)}}, "contradicts itself"),
        ({"traffic": {"x": Traffic(unique_load=64, program_load=32, load_sectors=96)}}, "contradicts itself"),
        ({"traffic": {"x": Traffic(program_store=64, store_sectors=32)}}, "contradicts itself"),
        ({"tensor_flops": {"bf16": -1}}, "below zero"),
        ({"lines": (("priced.py", 1, math.inf),)}, "without end"),
    ],
)
def test_a_record_that_cannot_be_is_refused(copied: list[Launch], change: dict[str, Any], named: str) -> None:
    (launch,) = copied
    assert launch.account is not None
    forged = dataclasses.replace(launch, account=dataclasses.replace(launch.account, **change))
    with pytest.raises(ValueError, match=named):
        estimate([forged])


def test_sums_by_atomics_are_asked_of_l2_twice() -> None:
    found = only(lambda: priced.histogram(torch.zeros(1 << 16, dtype=torch.int32), 64))
    assert found.traffic.l2 > 4 * (1 << 16)
    assert 4 * (1 << 16) < found.traffic.dram < 4.1 * (1 << 16)


def calibration(device: str = H100.name, **weights: float) -> Calibration:
    every = {**dict.fromkeys(PARTS, 1.0), **weights}
    return Calibration(device, "2026-01-02", {}, every, 40, ())


def test_a_calibration_prices_parts_and_is_named(copied: list[Launch]) -> None:
    plain, priced_twice = estimate(copied), estimate(copied, calibration=calibration(dram=2.0))
    (before,), (after,) = plain.launches, priced_twice.launches
    assert before.parts == after.parts
    assert priced_twice.seconds - plain.seconds == pytest.approx(before.parts["dram"], rel=1e-6)


def test_a_calibration_of_another_device_is_refused(copied: list[Launch]) -> None:
    with pytest.raises(ValueError, match="expected a calibration for H100 SXM, got one for H200 SXM"):
        estimate(copied, calibration=calibration(H200.name))


def test_an_estimate_says_that_it_is_one(copied: list[Launch]) -> None:
    found: Estimate = estimate(copied)
    assert str(found).startswith("estimate ")
    assert "uncalibrated" in str(found)
    assert found.share == 0.0
    assert "roofline" not in str(found)
