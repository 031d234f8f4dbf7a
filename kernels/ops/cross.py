"""Cross layers of full and low rank and with a gate: see `reference` for the equations and their sources."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..operators import DCN_V2_CROSS, DCN_V2_CROSS_LOW_RANK, GATED_CROSS
from .arguments import match
from .registration import register

FULL_RANK = register(DCN_V2_CROSS, lambda x0, x, weight, bias: x.shape)
LOW_RANK = register(DCN_V2_CROSS_LOW_RANK, lambda x0, x, v, u, bias: x.shape)
GATED = register(GATED_CROSS, lambda x0, x, *parameters: x.shape)


def dcn_v2_cross(x0: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, K): x0 * (W x + b) + x, from `x0` and `x` (B, K), `weight` (K, K), `bias` (K,).

    Any strides. A program of ours on a GPU, else `reference.dcn_v2_cross`; the program is differentiable
    once. Raises ValueError for a wrong shape or device, TypeError for a wrong dtype.
    """
    sizes = match(
        "dcn_v2_cross", {"x0": (x0, "BK"), "x": (x, "BK"), "weight": (weight, "KK"), "bias": (bias, "K")}
    )
    return FULL_RANK(x0, x, weight, bias, fits=sizes["K"] > 0)


def dcn_v2_cross_low_rank(x0: Tensor, x: Tensor, v: Tensor, u: Tensor, bias: Tensor) -> Tensor:
    """(B, K): x0 * (U (V x) + b) + x, from `x0` and `x` (B, K), `v` (R, K), `u` (K, R), `bias` (K,).

    Otherwise as `dcn_v2_cross`.
    """
    sizes = match(
        "dcn_v2_cross_low_rank",
        {"x0": (x0, "BK"), "x": (x, "BK"), "v": (v, "RK"), "u": (u, "KR"), "bias": (bias, "K")},
    )
    return LOW_RANK(x0, x, v, u, bias, fits=sizes["K"] > 0 and sizes["R"] > 0)


def gated_cross(
    x0: Tensor, x: Tensor, value: Tensor, value_bias: Tensor, gate: Tensor, gate_bias: Tensor
) -> Tensor:
    """(B, K): x0 * (V x + b) * sigmoid(G x + c) + x, from `x0` and `x` (B, K), weights (K, K), biases (K,).

    Otherwise as `dcn_v2_cross`.
    """
    given = {"x0": (x0, "BK"), "x": (x, "BK"), "value": (value, "KK"), "value_bias": (value_bias, "K")}
    sizes = match("gated_cross", {**given, "gate": (gate, "KK"), "gate_bias": (gate_bias, "K")})
    return GATED(x0, x, value, value_bias, gate, gate_bias, fits=sizes["K"] > 0)


class _Cross(nn.Module):
    """A layer whose parameters have these shapes: weights begin as Xavier's normal, biases as zeros.

    It computes in the dtype of its input: parameters are converted to it, so that it works under autocast.
    """

    function: Callable[..., Tensor]

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], described: str, **options: Any) -> None:
        super().__init__()
        self._described = described
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, **options)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew from torch's generator."""
        for parameter in self.parameters():
            if parameter.dim() == 1:
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_normal_(parameter)

    def forward(self, x0: Tensor, x: Tensor) -> Tensor:
        """(B, K) from the input of the first layer and that of this one, (B, K) each."""
        return type(self).function(x0, x, *(each.to(x.dtype) for each in self.parameters()))

    def extra_repr(self) -> str:
        return self._described


class CrossLayer(_Cross):
    """One cross layer of full rank over `features` = K values a row. It begins as TorchRec's CrossNet."""

    function = staticmethod(dcn_v2_cross)

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        shapes = {"weight": (features, features), "bias": (features,)}
        super().__init__(shapes, f"features={features}", device=device, dtype=dtype)


class LowRankCrossLayer(_Cross):
    """One cross layer over `features` = K values a row whose weight has this `rank` at most.

    It begins as TorchRec's LowRankCrossNet does.
    """

    function = staticmethod(dcn_v2_cross_low_rank)

    def __init__(
        self,
        features: int,
        rank: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        shapes = {"v": (rank, features), "u": (features, rank), "bias": (features,)}
        super().__init__(shapes, f"features={features}, rank={rank}", device=device, dtype=dtype)


class GatedCross(_Cross):
    """One gated cross layer over `features` = K values a row; gates begin half open."""

    function = staticmethod(gated_cross)

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        square, line = (features, features), (features,)
        shapes = {"value": square, "value_bias": line, "gate": square, "gate_bias": line}
        super().__init__(shapes, f"features={features}", device=device, dtype=dtype)
