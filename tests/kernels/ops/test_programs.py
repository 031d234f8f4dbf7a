"""Our own programs pass the gate that candidates are held to, on sizes that they were not written for."""

import importlib
from collections.abc import Sequence

import pytest
import torch

from recevolve.kernels.gate.gate import QUICK, gate
from recevolve.kernels.operators import DTYPES, OPERATORS, Sizes
from recevolve.kernels.record.launches import offline

NAMES = pytest.mark.parametrize("name", OPERATORS)
ODD: dict[str, Sequence[Sizes]] = {
    "pairwise_dot": ({"B": 2, "F": 3, "D": 1}, {"B": 3, "F": 67, "D": 17}, {"B": 0, "F": 3, "D": 4}),
    "fm_second_order": ({"B": 2, "F": 3, "D": 1}, {"B": 3, "F": 35, "D": 17}, {"B": 0, "F": 3, "D": 4}),
    "dcn_v2_cross": ({"B": 2, "K": 1}, {"B": 67, "K": 69}, {"B": 0, "K": 5}),
    "dcn_v2_cross_low_rank": ({"B": 2, "K": 1, "R": 1}, {"B": 67, "K": 69, "R": 5}, {"B": 0, "K": 5, "R": 2}),
    "gated_cross": ({"B": 2, "K": 1}, {"B": 67, "K": 69}, {"B": 0, "K": 5}),
    "embedding_bag_dot": (
        {"B": 2, "T": 2, "D": 3, "V": 9, "N": 17},
        {"B": 1, "T": 66, "D": 17, "V": 90, "N": 100},
        {"B": 0, "T": 2, "D": 4, "V": 5, "N": 0},
    ),
}
"""One row or none, one more than a block of rows, fields or columns, and the smallest."""


def program(name: str) -> dict[str, object]:
    return vars(importlib.import_module(f"recevolve.kernels.ops.programs.{name}"))


@NAMES
def test_a_program_is_right_on_odd_sizes(name: str) -> None:
    report = gate(
        OPERATORS[name], program(name), (torch.float32, torch.bfloat16), ODD[name], checks=("value",)
    )
    assert report.findings == ()
    assert report.launches > 0


@pytest.mark.parametrize("name", ["pairwise_dot", "fm_second_order", "dcn_v2_cross", "embedding_bag_dot"])
def test_a_program_takes_any_layout_and_passes_on_what_is_not_a_number(name: str) -> None:
    """And keeps nothing between calls, lets torch compute nothing, and has the derivative of its forward
    pass."""
    checks = tuple(check for check in QUICK if check != "value")
    report = gate(
        OPERATORS[name], program(name), (torch.float32,), ODD[name][:1], checks=(*checks, "gradcheck")
    )
    assert report.findings == ()


@pytest.mark.slow
@NAMES
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_program_passes_the_gate(name: str, dtype: torch.dtype) -> None:
    for seed in (1, 2):
        report = gate(OPERATORS[name], program(name), (dtype,), checks=(*QUICK, "gradcheck"), seed=seed)
        assert report.findings == ()


@pytest.mark.slow
@NAMES
def test_offsets_pass_two_to_the_31(name: str) -> None:
    assert (
        gate(OPERATORS[name], program(name), (torch.bfloat16,), ODD[name][:1], checks=("far",)).findings == ()
    )


SPILLS = {"gated_cross": {"grad_of_x0": 160}}
"""Bytes spilled after the loop, where smaller tiles, which spill none, are estimated to take longer."""


@pytest.mark.slow
@NAMES
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_no_register_is_spilled_at_sizes_of_practice(name: str, dtype: torch.dtype) -> None:
    operator, run = OPERATORS[name], importlib.import_module(f"recevolve.kernels.ops.programs.{name}")
    for shape in operator.real:
        inputs = operator.draw(shape.sizes, dtype, torch.Generator().manual_seed(0))
        with offline(execute="none") as recorder:
            run.backward(run.forward(*inputs), *inputs)
        for launch in recorder.launches:
            assert launch.binary is not None
            assert launch.binary.spill_bytes <= SPILLS.get(name, {}).get(launch.kernel, 0), (
                shape.name,
                launch.kernel,
            )
