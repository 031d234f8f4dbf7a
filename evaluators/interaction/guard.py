"""The guardrail: CPU time of a forward pass, measured as a ratio to the dcn_v2 seed's at the same sizes."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Sandbox
from .sandboxed_layer import Behind
from .setup import Arena

REFERENCE = Path(__file__).with_name("seeds") / "dcn_v2.py"
WARM_UP = 5
"""Calls of each before the clock counts."""


def guard(
    source: str,
    arena: Arena,
    steps: int,
    sandbox: Sandbox,
    clock: Callable[[Behind], float] = Behind.cpu_seconds,
) -> Verdict:
    """SCORED with `parameter_ratio` and `flop_ratio`, counted, and among the timings `forward_time_ratio`.

    All are ratios to dcn_v2; lower is better. A time is the CPU time of the child for one batch of the
    training's size without gradients, as `clock` reads it, waking and copying included, which pulls the ratio
    towards 1. Both are called in turn, so that a busy machine slows both; the ratio is that of the medians.
    It says what this machine's processor takes, and nothing of a GPU. Raises Failed.
    """
    rng = np.random.Generator(np.random.Philox(0))
    shape = (arena.batch, len(arena.log.fields), arena.dim)
    layers = [arena.layer(text, 0, sandbox) for text in (source, REFERENCE.read_text(encoding="utf-8"))]
    seconds: tuple[list[float], list[float]] = ([], [])
    with (
        arena.behind(source, layers[0], sandbox) as candidate,
        arena.behind(REFERENCE.read_text(encoding="utf-8"), layers[1], sandbox) as reference,
    ):
        for _ in range(WARM_UP + steps):
            x_BFD = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32))
            for layer, behind, readings in zip(layers, (candidate, reference), seconds, strict=True):
                params = [torch.from_numpy(value) for value in layer.first.values()]
                begin = clock(behind)
                behind.forward(x_BFD, params, False)
                readings.append(clock(behind) - begin)
    mine, dcn = (median(readings[WARM_UP:]) for readings in seconds)
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        metrics={
            "parameter_ratio": Metric(layers[0].size / arena.yardstick.parameters),
            "flop_ratio": Metric(layers[0].flops / arena.yardstick.flops),
        },
        timings={"forward_time_ratio": mine / dcn, "forward_seconds": mine, "dcn_v2_forward_seconds": dcn},
    )
