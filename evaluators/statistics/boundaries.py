"""Planned looks: boundaries that spend alpha little by little over looks that were fixed before the data."""

from collections.abc import Sequence
from math import e, inf, log1p, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from .intervals import Floats

Kind = Literal["obrien_fleming", "pocock"]
Nodes = tuple[Floats, Floats]

_REACH = 9.0
"""Standard deviations to which a density is followed; beyond lies a chance of 2e-19."""
_DENSE = 3.0
"""Nodes of the integration for each standard deviation of a step; twice as many move no boundary by 1e-9."""
_MOST = 4096


def spending(
    looks: int, alpha: float, kind: Kind = "obrien_fleming", information: Sequence[float] | None = None
) -> tuple[float, ...]:
    """The boundary of each look: reject where the absolute z-value, estimate over standard error, exceeds it.

    Two-sided and symmetric. Without an effect the chance of exceeding any of them is what was spent by then:
    `alpha` in all, if the last look has all the information. `information` is the share of the final
    information at each look, increasing, up to 1: of the final number of units, as a rule; evenly spaced by
    default. A boundary depends on the looks before it alone, so a plan may change while it is under way, if
    not because of the results. Spending functions of Lan and DeMets 1983,
    https://doi.org/10.1093/biomet/70.3.659: "obrien_fleming" spends 4 - 4 Phi(z(1 - alpha / 4) / sqrt(t)) by
    share t, nearly nothing at first, "pocock" alpha log(1 + (e - 1) t), nearly evenly. Boundaries by
    recursive numerical integration: Armitage, McPherson and Rowe 1969, https://doi.org/10.2307/2343787.
    infinity where nothing can be spent. The z-values of looks must be correlated as sums of independent steps
    are; units that stay and are measured again each day, with a mean that is not their running mean, are not.
    No look, shares that do not increase to 1 at most, or alpha outside (0, 1): ValueError.
    """
    shares = _shares(looks, information)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if kind not in ("obrien_fleming", "pocock"):
        raise ValueError(f'kind must be "obrien_fleming" or "pocock", got {kind!r}')
    spent = [_spent(share, alpha, kind) for share in shares]
    boundaries: list[float] = []
    nodes = np.zeros(1), np.ones(1)
    for k, share in enumerate(shares):
        step = share - (shares[k - 1] if k else 0.0)
        new = spent[k] - (spent[k - 1] if k else 0.0)
        boundary = _boundary(nodes, step, share, new)
        boundaries.append(boundary)
        if k + 1 < looks:
            nodes = _survivors(nodes, step, share, boundary, min(step, shares[k + 1] - share))
    return tuple(boundaries)


def _shares(looks: int, information: Sequence[float] | None) -> list[float]:
    if information is None:
        if looks < 1:
            raise ValueError(f"a plan needs 1 look or more, got {looks}")
        return [(k + 1) / looks for k in range(looks)]
    shares = [float(share) for share in information]
    increasing = all(a < b for a, b in zip([0.0, *shares], shares, strict=False))
    # A sum of shares such as 0.1 + ... + 0.1 may exceed 1 by rounding.
    if len(shares) != looks or looks < 1 or not increasing or not shares[-1] <= 1 + 1e-9:
        raise ValueError(f"information must be {looks} increasing shares above 0 and up to 1, got {shares}")
    return shares


def _spent(share: float, alpha: float, kind: Kind) -> float:
    """What may have been spent when this share of the information is in."""
    share = min(share, 1.0)
    if kind == "pocock":
        return alpha * log1p((e - 1) * share)
    return 4 * float(norm.sf(norm.isf(alpha / 4) / sqrt(share)))


def _boundary(nodes: Nodes, step: float, share: float, new: float) -> float:
    """The z-value that is exceeded now, for the first time, with the chance `new`."""
    places, masses = nodes

    def crossing(z: float) -> float:
        edge = z * sqrt(share)
        beyond = ndtr((places - edge) / sqrt(step)) + ndtr((-places - edge) / sqrt(step))
        return float(masses @ beyond)

    if new <= 1e-300:
        return inf
    top = 1.0
    while crossing(top) > new:
        top *= 2
    # crossing(0) is all that is left, which is more than `new`: alpha is below 1.
    return float(brentq(lambda z: crossing(z) - new, 0.0, top, xtol=1e-12, rtol=1e-14))


def _survivors(nodes: Nodes, step: float, share: float, boundary: float, finest: float) -> Nodes:
    """The score process where no boundary was crossed so far: places, and the chance that each stands for."""
    reach = min(boundary, _REACH) * sqrt(share)
    count = int(2 * reach / sqrt(finest) * _DENSE) + 32
    if count > _MOST:
        raise ValueError("looks lie too close to be told apart: leave out those that add less than 0.0001")
    x, weights = np.polynomial.legendre.leggauss(count)
    places = x * reach
    gaps = (places[:, None] - nodes[0]) / sqrt(step)
    density: NDArray[np.float64] = np.exp(-(gaps**2) / 2) @ nodes[1] / sqrt(2 * np.pi * step)
    return places, density * weights * reach
