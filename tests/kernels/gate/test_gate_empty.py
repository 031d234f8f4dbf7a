"""Where a size leaves nothing to compute, a program that launches nothing is honest."""

import torch

from recevolve.kernels.gate.backends import Interpreted
from recevolve.kernels.gate.gate import gate
from recevolve.kernels.operators import OPERATORS
from recevolve.kernels.ops.programs import pairwise_dot


def forward(x: torch.Tensor) -> torch.Tensor:
    """What a program does for one field, which has no pairs."""
    return torch.empty((x.shape[0], 0), dtype=x.dtype, device=x.device)


def test_nothing_to_compute_needs_no_launch() -> None:
    sizes = [{"B": 3, "F": 1, "D": 3}]
    program = {"forward": forward}
    dot, float32 = OPERATORS["pairwise_dot"], (torch.float32,)
    report = gate(dot, program, float32, sizes, backend=Interpreted(), directions=("forward",))
    assert report.findings == ()


def test_our_own_kernels_pass_every_check_where_there_are_no_pairs() -> None:
    sizes = [{"B": 3, "F": 1, "D": 3}]
    dot, float32 = OPERATORS["pairwise_dot"], (torch.float32,)
    assert gate(dot, vars(pairwise_dot), float32, sizes, backend=Interpreted()).findings == ()
