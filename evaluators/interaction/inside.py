"""Runners: trusted code that runs beside a candidate in the sandbox. No label and no id of a row is here."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kinds.properties import examined
from ..sandbox.inside import Result, load
from .meter import Meter
from .properties import probe, properties_for

FORWARD, WITH_GRAPH, BACKWARD = range(3)
TURNS = 3
"""A turn of a session has the number rows * TURNS + what to do."""


def examine(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """The probe's outputs where every property holds, else text: see `properties.inside`."""
    return examined(source, properties_for(parameters["parameter_budget"], parameters["flop_budget"]), probe)


def begin(namespace: Mapping[str, Any], fields: int, dim: int, seed: int) -> dict[str, Tensor]:
    """First parameters by name, a function of the arguments: torch's generator is seeded, and put back."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed touches every backend: 500 page faults
    try:
        params = namespace["init"](fields, dim, dict(namespace["HYPERPARAMETERS"]))
        return {name: value.detach().clone() for name, value in params.items()}
    finally:
        torch.set_rng_state(before)


def measure(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """First values of the parameters, drawn from `seed`, each as "p " and its name, and what a call costs.

    "outputs" (1,): K. "flops" (1,): operations per row, the most among batches of each of `rows`. Foreign
    where the layer computes with what is neither its input nor a parameter.
    """
    namespace = load(source)
    hp = namespace["HYPERPARAMETERS"]
    params = begin(namespace, parameters["fields"], parameters["dim"], parameters["seed"])
    rng = torch.Generator().manual_seed(0)
    flops, outputs = 0.0, 0
    with torch.no_grad():
        for rows in parameters["rows"]:
            x_BFD = torch.randn(rows, parameters["fields"], parameters["dim"], generator=rng) * 0.05
            with Meter((x_BFD, *params.values())) as meter:
                outputs = namespace["interact"](x_BFD, dict(params), dict(hp)).shape[1]
            flops = max(flops, meter.flops / rows)
    made = {f"p {name}": value.detach().numpy() for name, value in params.items()}
    return made | {"outputs": np.array([outputs], np.int64), "flops": np.array([flops], np.float64)}


def serve(
    source: str,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    shared: Mapping[str, np.ndarray],
    turns: Iterable[int],
) -> dict[str, np.ndarray]:
    """Session: reads `x` and the parameters, writes `out`; or reads `grad_out`, writes the gradients.

    BACKWARD speaks of the WITH_GRAPH turn before it. Only the first rows of `x`, `out`, `grad_out` and
    `grad_x` count; parameter n is `p n` and its gradient `g n`, in the order of `names`.
    """
    namespace = load(source)
    names = parameters["names"]
    views = {name: torch.from_numpy(array) for name, array in shared.items()}
    leaves: list[Tensor] = []
    out = torch.zeros(0)
    for number in turns:
        rows, what = divmod(number, TURNS)
        if what == BACKWARD:
            grads = torch.autograd.grad(out, leaves, views["grad_out"][:rows].clone(), allow_unused=True)
            targets = [views["grad_x"][:rows], *(views[f"g {n}"] for n in range(len(names)))]
            for target, grad in zip(targets, grads, strict=True):
                target.copy_(torch.zeros(()) if grad is None else grad)
            continue
        # copies, so that a layer which keeps or changes what it is given holds nothing of ours
        leaves = [views["x"][:rows].clone(), *(views[f"p {n}"].clone() for n in range(len(names)))]
        with torch.set_grad_enabled(what == WITH_GRAPH):
            for leaf in leaves:
                leaf.requires_grad_(what == WITH_GRAPH)
            params = dict(zip(names, leaves[1:], strict=True))
            out = namespace["interact"](leaves[0], params, dict(namespace["HYPERPARAMETERS"]))
        if out.shape != views["out"][:rows].shape:
            raise ValueError(
                f"expected {tuple(views['out'][:rows].shape)} from interact, got {tuple(out.shape)}"
            )
        views["out"][:rows].copy_(out.detach())
    return {}
