"""The examination: does a program have every property that a reward must have? No data is needed."""

from collections.abc import Callable, Mapping
from hashlib import sha256

import numpy as np

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed, require_finished
from ..sandbox import Limits, Sandbox
from .logs.signals import Signals
from .properties import PROBES

INSIDE = "recevolve.evaluators.reward.inside:examine"
LIMITS = Limits(cpu_seconds=10.0)
"""The CPU time after which an examination is killed lies above the budget at which it ends by itself."""
DIGITS = 11
"""Significant digits of a reward that count where two rewards are compared."""


def examine_for(signals: Signals) -> Callable[[str, Sandbox], Verdict]:
    """`examine` for rewards over these signals."""
    described = signals.to_json()

    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where every property holds, else INVALID with a counter-example."""
        outcome = sandbox.run(INSIDE, source, parameters={"signals": described}, limits=LIMITS)
        try:
            require_finished(outcome, "being examined")
        except Failed as failed:
            return failed.verdict
        if outcome.text:
            return Verdict(Status.INVALID, reason=outcome.text)
        if (wrong := _misshapen(outcome.arrays)) is not None:
            return Verdict(Status.INVALID, reason=wrong)
        return Verdict(
            Status.SCORED,
            Metric(0.0),
            facts={"behaviour": behaviour(outcome.arrays["reward"])},
            timings={"cpu_seconds": outcome.cpu_seconds},
        )

    return examine


def _misshapen(arrays: Mapping[str, np.ndarray]) -> str | None:
    out = arrays.get("reward")
    if out is None or out.shape != (PROBES,) or out.dtype != np.float64 or not np.isfinite(out).all():
        return "it returned no answer to the probe, one finite number per row"
    return None


def behaviour(rewards: np.ndarray) -> str:
    """The fingerprint of a probe's rewards (N,), 16 hexadecimal digits: equal order, equal fingerprint.

    Every judgement of a reward looks at order alone: which item of a slate is better than which. So a reward
    and any strictly rising function of it are one program, and it is the ranks on the probe that are
    compared: R, 2 R + 1 and log R are presumed twins. Rewards that agree to DIGITS significant digits count
    as ties, or rounding would tell twins apart. A rising function that rounds to fewer digits than that,
    such as tanh far out, makes ties and is another program; so are rewards that swap two of the probe's
    PROBES rows, as a change of a weight by a thousandth does.
    """
    magnitude = np.floor(np.log10(np.maximum(np.abs(rewards), 1e-280)))
    unit = 10.0 ** (magnitude - DIGITS + 1)
    ranks = np.unique(np.rint(rewards / unit) * unit, return_inverse=True)[1].astype("<i4")
    return sha256(ranks.tobytes()).hexdigest()[:16]
