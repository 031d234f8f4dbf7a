"""Second-order term of a factorisation machine: see `reference.fm_second_order` for the equation and its
source."""

from torch import Tensor, nn

from ..operators import FM_SECOND_ORDER
from .arguments import match
from .registration import register

MOST_WIDTH = 8192  # a program holds two rows of this width in registers

REGISTERED = register(FM_SECOND_ORDER, lambda x: (x.shape[0],))


def fm_second_order(x: Tensor) -> Tensor:
    """(B,) from (B, F, D): the sum of the dot products of every two different fields.

    Any strides. A program of ours on a GPU, else `reference.fm_second_order`; the program is
    differentiable once. Raises ValueError for a wrong shape, TypeError for a wrong dtype.
    """
    sizes = match("fm_second_order", {"x": (x, "BFD")})
    return REGISTERED(x, fits=0 < sizes["D"] <= MOST_WIDTH)


class FactorizationMachine(nn.Module):
    """`fm_second_order` as a module; it has no parameters. The linear term and the bias are the caller's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B,) from (B, F, D)."""
        return fm_second_order(x)
