"""Runners: trusted code that runs beside a reward in the sandbox. Nothing here knows an outcome."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..kinds.properties import examined
from ..sandbox.inside import Result, load
from .logs.signals import Signals
from .properties import probe, properties_for


def examine(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """The probe's rewards and no text where every property holds, else text and no arrays.

    `parameters["signals"]` describes the signals, as `Signals.of` reads them.
    """
    signals = Signals.of(parameters["signals"])
    with np.errstate(all="ignore"):
        return examined(source, properties_for(signals), partial(probe, signals))


def step(
    source: str,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    shared: Mapping[str, np.ndarray],
    turns: Iterable[int],
) -> dict[str, np.ndarray]:
    """Session: turn n writes the rewards of the first n rows of the shared predictions into `out`.

    A reward of another shape than (n,) is an error; what it holds is for the caller to judge.
    """
    reward = load(source)["reward"]
    for count in turns:
        columns = {name: column[:count].copy() for name, column in shared.items() if name != "out"}
        with np.errstate(all="ignore"):
            out = np.asarray(reward(columns))
        if out.shape != (count,):
            raise ValueError(f"reward must return one number per row, got shape {out.shape}")
        shared["out"][:count] = out
    return {}
