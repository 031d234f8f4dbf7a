"""Cross layer of full rank: see `reference.dcn_v2_cross` for the equation and its source."""

import torch
from torch import Tensor, nn

from ..operators import DCN_V2_CROSS
from .arguments import match
from .registration import register

REGISTERED = register(DCN_V2_CROSS, lambda x0, x, weight, bias: x.shape)


def dcn_v2_cross(x0: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, K): x0 * (W x + b) + x, from `x0` and `x` (B, K), `weight` (K, K), `bias` (K,).

    Any strides. A program of ours on a GPU, else `reference.dcn_v2_cross`; the program is differentiable
    once. Raises ValueError for a wrong shape or device, TypeError for a wrong dtype.
    """
    sizes = match(
        "dcn_v2_cross", {"x0": (x0, "BK"), "x": (x, "BK"), "weight": (weight, "KK"), "bias": (bias, "K")}
    )
    return REGISTERED(x0, x, weight, bias, fits=sizes["K"] > 0)


class CrossLayer(nn.Module):
    """One cross layer of full rank over `features` = K values a row.

    It computes in the dtype of its input: parameters are converted to it, so that it works under autocast.
    The weight begins as Xavier's normal and the bias as zeros, as in TorchRec's CrossNet.
    """

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew from torch's generator."""
        nn.init.xavier_normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """(B, K) from the input of the first layer and that of this one, (B, K) each."""
        return dcn_v2_cross(x0, x, self.weight.to(x.dtype), self.bias.to(x.dtype))

    def extra_repr(self) -> str:
        return f"features={self.bias.numel()}"
