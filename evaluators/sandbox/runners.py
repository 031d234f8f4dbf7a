"""The two plainest runners, for kinds whose candidate is one function of arrays."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .inside import load


def call(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """{"out": array}, or the arrays by name, that the candidate's function returned for `arrays` as keywords.

    `parameters["function"]` names it; without that name the source is only run, and nothing comes back.
    """
    namespace = load(source)
    if "function" not in parameters:
        return {}
    out = namespace[parameters["function"]](**arrays)
    return dict(out) if isinstance(out, dict) else {"out": np.asarray(out)}


def step(
    source: str,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    shared: Mapping[str, np.ndarray],
    turns: Iterator[int],
) -> dict[str, np.ndarray]:
    """Nothing; at each turn the candidate's function changes the shared arrays in place.

    `parameters["function"]` names it; it gets the step's number, and shared and other arrays as keywords.
    """
    function = load(source)[parameters["function"]]
    for number in turns:
        function(number, **shared, **arrays)
    return {}
