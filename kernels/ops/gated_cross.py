"""Gated cross layer: see `reference.gated_cross` for the equation and its sources."""

import torch
from torch import Tensor, nn

from ..operators import GATED_CROSS
from .arguments import match
from .registration import register

REGISTERED = register(GATED_CROSS, lambda x0, x, *parameters: x.shape)


def gated_cross(
    x0: Tensor, x: Tensor, value: Tensor, value_bias: Tensor, gate: Tensor, gate_bias: Tensor
) -> Tensor:
    """(B, K): x0 * (V x + b) * sigmoid(G x + c) + x, from `x0` and `x` (B, K), weights (K, K), biases (K,).

    Any strides. A program of ours on a GPU, else `reference.gated_cross`; the program is differentiable once.
    Raises ValueError for a wrong shape or device, TypeError for a wrong dtype.
    """
    sizes = match(
        "gated_cross",
        {
            "x0": (x0, "BK"),
            "x": (x, "BK"),
            "value": (value, "KK"),
            "value_bias": (value_bias, "K"),
            "gate": (gate, "KK"),
            "gate_bias": (gate_bias, "K"),
        },
    )
    return REGISTERED(x0, x, value, value_bias, gate, gate_bias, fits=sizes["K"] > 0)


class GatedCross(nn.Module):
    """One gated cross layer over `features` = K values a row.

    It computes in the dtype of its input: parameters are converted to it, so that it works under autocast.
    Weights begin as Xavier's normal and biases as zeros, so that gates begin half open.
    """

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.empty(features, features, device=device, dtype=dtype))
        self.value_bias = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        self.gate = nn.Parameter(torch.empty(features, features, device=device, dtype=dtype))
        self.gate_bias = nn.Parameter(torch.empty(features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew from torch's generator."""
        for weight, bias in ((self.value, self.value_bias), (self.gate, self.gate_bias)):
            nn.init.xavier_normal_(weight)
            nn.init.zeros_(bias)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """(B, K) from the input of the first layer and that of this one, (B, K) each."""
        parameters = (self.value, self.value_bias, self.gate, self.gate_bias)
        return gated_cross(x0, x, *(each.to(x.dtype) for each in parameters))

    def extra_repr(self) -> str:
        return f"features={self.value_bias.numel()}"
