"""Runners: trusted code that runs beside an exported optimizer in the sandbox."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from ...sandbox.inside import load
from .benchmark import REFERENCES, WORKLOADS, temporaries, weights

ROWS = (20, 4)
STILL = 6
"""Steps over which rows without a gradient are watched."""


def stepped(
    source: str,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    shared: Mapping[str, np.ndarray],
    turns: Iterable[int],
) -> dict[str, np.ndarray]:
    """Session: turn n makes step n, from 1, over the tensors of the workload `parameters["workload"]`.

    `source` is an exported module with the class `parameters["name"]`; where it is empty, the name is that of
    one of REFERENCES. Turn 2 writes the bytes of its temporaries to `temporaries`.
    """
    name = parameters["name"]
    make = load(source)[name] if source else REFERENCES[name]
    optimizer = make(weights(WORKLOADS[parameters["workload"]]))
    for number in turns:
        if number == 2:
            shared["temporaries"][0] = temporaries(optimizer)
        else:
            optimizer.step()
    return {}


def rows_stay(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Whether rows keep weights and state, to the last digit, in steps in which their gradient is zero.

    Some rows never have a gradient, the others only in the first steps.
    """
    namespace, rng = load(source), torch.Generator().manual_seed(0)
    param, hp = torch.randn(ROWS, generator=rng), namespace["HYPERPARAMETERS"]
    state, stay = namespace["init"](param), True
    for step in range(1, 2 * STILL + 1):
        touched = torch.arange(ROWS[0]) % (2 * STILL) < step % STILL
        grad = torch.where(touched[:, None], torch.randn(ROWS, generator=rng), 0.0)
        new, after = namespace["update"](grad, state, param, step, dict(hp))
        pairs = [(param, new), *((state[name], after[name]) for name in after)]
        stay &= all(len(old.shape) == 2 and torch.equal(old[~touched], now[~touched]) for old, now in pairs)
        param, state = new, after
    return {"stay": np.array([stay])}
