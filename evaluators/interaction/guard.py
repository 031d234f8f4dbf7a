"""The guardrail: CPU time of a forward pass, measured as a ratio to the dcn_v2 seed's at the same sizes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.timing import in_turn
from ..sandbox import Sandbox
from .sandboxed_layer import SandboxedLayer
from .setup import LayerSetup

REFERENCE = Path(__file__).with_name("seeds") / "dcn_v2.py"


def guard(
    source: str,
    setup: LayerSetup,
    steps: int,
    sandbox: Sandbox,
    clock: Callable[[SandboxedLayer], float] = SandboxedLayer.cpu_seconds,
) -> Verdict:
    """SCORED with `parameter_ratio` and `flop_ratio`, counted, and among the timings `forward_time_ratio`.

    All are ratios to dcn_v2; lower is better. A time is the CPU time of the child for one batch of the
    training's size without gradients, as `clock` reads it, waking and copying included, which pulls the ratio
    towards 1; the ratio is that of the medians. It says what this machine's processor takes, and nothing of a
    GPU. Raises Failed.
    """
    rng = np.random.Generator(np.random.Philox(0))
    shape = (setup.settings.batch, len(setup.log.fields), setup.settings.dim)
    reference = REFERENCE.read_text(encoding="utf-8")
    layers = [setup.layer(text, 0, sandbox) for text in (source, reference)]

    def embeddings() -> torch.Tensor:
        return torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32))

    def forward(which: SandboxedLayer, x_BFD: torch.Tensor, number: int) -> None:
        which.forward(x_BFD, [torch.from_numpy(value) for value in which.layer.first.values()], False)

    with (
        setup.sandboxed(source, layers[0], sandbox) as candidate,
        setup.sandboxed(reference, layers[1], sandbox) as dcn_v2,
    ):
        mine, dcn = in_turn(candidate, dcn_v2, embeddings, forward, clock, steps)
    return Verdict(
        Status.SCORED,
        Metric(0.0),
        metrics=setup.ratios(layers[0]),
        timings={"forward_time_ratio": mine / dcn, "forward_seconds": mine, "dcn_v2_forward_seconds": dcn},
    )
