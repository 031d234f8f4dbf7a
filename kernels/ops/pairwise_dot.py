"""Pairwise dot interaction of DLRM: see `reference.pairwise_dot` for the equation and its source."""

from torch import Tensor, nn

from ..operators import PAIRWISE_DOT
from .arguments import match
from .registration import register

MOST_FIELDS = 32_768  # the pairs of more have no int32 number

REGISTERED = register(PAIRWISE_DOT, lambda x: (x.shape[0], x.shape[1] * (x.shape[1] - 1) // 2))


def pairwise_dot(x: Tensor) -> Tensor:
    """(B, F * (F - 1) / 2) from (B, F, D): dot products of every two different fields, (0, 1), (0, 2) ...

    Any strides. A program of ours on a GPU, else `reference.pairwise_dot`; the program is differentiable
    once. Raises ValueError for a wrong shape, TypeError for a wrong dtype.
    """
    sizes = match("pairwise_dot", {"x": (x, "BFD")})
    return REGISTERED(x, fits=sizes["F"] <= MOST_FIELDS and sizes["D"] > 0)


class PairwiseDot(nn.Module):
    """`pairwise_dot` as a module; it has no parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, F * (F - 1) / 2) from (B, F, D)."""
        return pairwise_dot(x)
