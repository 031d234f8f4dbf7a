"""Interactions of fields that have no parameters: see `reference` for the equations and their sources."""

from torch import Tensor, nn

from ..operators import FM_SECOND_ORDER, PAIRWISE_DOT
from .arguments import match
from .registration import register

MOST_FIELDS = 32_768  # the pairs of more have no int32 number
PAIRS = register(PAIRWISE_DOT, lambda x: (x.shape[0], x.shape[1] * (x.shape[1] - 1) // 2))
MOST_WIDTH = 8192  # a program holds two rows of this width in registers
SECOND_ORDER = register(FM_SECOND_ORDER, lambda x: (x.shape[0],))


def pairwise_dot(x: Tensor) -> Tensor:
    """(B, F * (F - 1) / 2) from (B, F, D): dot products of every two different fields, (0, 1), (0, 2) ...

    Any strides. A program of ours on a GPU, else `reference.pairwise_dot`; the program is differentiable
    once. Raises ValueError for a wrong shape, TypeError for a wrong dtype.
    """
    sizes = match("pairwise_dot", {"x": (x, "BFD")})
    return PAIRS(x, fits=sizes["F"] <= MOST_FIELDS and sizes["D"] > 0)


class PairwiseDot(nn.Module):
    """`pairwise_dot` as a module; it has no parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, F * (F - 1) / 2) from (B, F, D)."""
        return pairwise_dot(x)


def fm_second_order(x: Tensor) -> Tensor:
    """(B,) from (B, F, D): the sum of the dot products of every two different fields.

    Any strides. A program of ours on a GPU, else `reference.fm_second_order`; the program is
    differentiable once. Raises ValueError for a wrong shape, TypeError for a wrong dtype.
    """
    sizes = match("fm_second_order", {"x": (x, "BFD")})
    return SECOND_ORDER(x, fits=0 < sizes["D"] <= MOST_WIDTH)


class FactorizationMachine(nn.Module):
    """`fm_second_order` as a module; it has no parameters. The linear term and the bias are the caller's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B,) from (B, F, D)."""
        return fm_second_order(x)
