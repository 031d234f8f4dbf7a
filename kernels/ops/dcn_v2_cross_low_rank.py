"""Cross layer of low rank: see `reference.dcn_v2_cross_low_rank` for the equation and its source."""

import torch
from torch import Tensor, nn

from ..operators import DCN_V2_CROSS_LOW_RANK
from .arguments import match
from .registration import register

REGISTERED = register(DCN_V2_CROSS_LOW_RANK, lambda x0, x, v, u, bias: x.shape)


def dcn_v2_cross_low_rank(x0: Tensor, x: Tensor, v: Tensor, u: Tensor, bias: Tensor) -> Tensor:
    """(B, K): x0 * (U (V x) + b) + x, from `x0` and `x` (B, K), `v` (R, K), `u` (K, R), `bias` (K,).

    Any strides. A program of ours on a GPU, else `reference.dcn_v2_cross_low_rank`; the program is
    differentiable once. Raises ValueError for a wrong shape or device, TypeError for a wrong dtype.
    """
    sizes = match(
        "dcn_v2_cross_low_rank",
        {"x0": (x0, "BK"), "x": (x, "BK"), "v": (v, "RK"), "u": (u, "KR"), "bias": (bias, "K")},
    )
    return REGISTERED(x0, x, v, u, bias, fits=sizes["K"] > 0 and sizes["R"] > 0)


class LowRankCrossLayer(nn.Module):
    """One cross layer over `features` = K values a row whose weight has this `rank` at most.

    It computes in the dtype of its input: parameters are converted to it, so that it works under autocast.
    The factors begin as Xavier's normal and the bias as zeros, as in TorchRec's LowRankCrossNet.
    """

    def __init__(
        self,
        features: int,
        rank: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.empty(rank, features, device=device, dtype=dtype))
        self.u = nn.Parameter(torch.empty(features, rank, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew from torch's generator."""
        nn.init.xavier_normal_(self.v)
        nn.init.xavier_normal_(self.u)
        nn.init.zeros_(self.bias)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """(B, K) from the input of the first layer and that of this one, (B, K) each."""
        v, u, bias = (each.to(x.dtype) for each in (self.v, self.u, self.bias))
        return dcn_v2_cross_low_rank(x0, x, v, u, bias)

    def extra_repr(self) -> str:
        return f"features={self.v.shape[1]}, rank={self.v.shape[0]}"
