"""The proxy: trainings on the search split with a fixed optimizer, longer from rung to rung."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...population.values.verdict import Verdict
from ..ctr.setup import length_of_rung, mean, verdict_of
from ..sandbox import Sandbox
from .setup import LayerSetup

GROUPS = 100
"""Groups of users whose losses the last rung names, so that an edit's credit is paired by them."""


@dataclass(frozen=True)
class Race:
    """Rungs on one setup. All programs share embeddings, tower and batch order, so that their scores pair.

    `rungs` holds passes over the training rows, from cheap to dear. The last one trains `draws` times with
    fresh weights and orders: close layers differ by less than one draw does from another.
    """

    setup: LayerSetup
    rungs: Sequence[float]
    seed: int
    draws: int = 1

    def rows(self, rung: int, seed: int) -> int:
        """Training rows that a rung sees in the training of this seed."""
        rows = max(1, round(self.rungs[rung] * len(self.setup.splits["search"].train)))
        return length_of_rung(rows, seed, rung)

    def run(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """SCORED with the negative log loss on held-out rows of the search split. Raises Failed.

        facts["units"] of the last rung has the negative loss of groups of users, whose mean is the score.
        """
        setup, last = self.setup, rung == len(self.rungs) - 1
        held_out = setup.held_out("search")
        runs = []
        for seed in range(self.seed, self.seed + (self.draws if last else 1)):
            layer = setup.layer(source, seed, sandbox)
            order = setup.order("search", self.rows(rung, seed), seed)
            with setup.sandboxed(source, layer, sandbox) as remote:
                runs.append(setup.run(remote, order, held_out, seed))
        score = mean([run.score for run in runs])
        best = float(np.mean([setup.epochs("search", run.best_step) for run in runs]))
        facts: dict[str, Any] = {"outputs": layer.outputs, "best_epochs": round(best, 3)}
        if last:
            facts["units"] = score.units(GROUPS)
        return replace(
            verdict_of(score.metrics()),
            metrics=score.metrics() | setup.ratios(layer),
            facts=facts,
            timings={"layer_cpu_seconds": sum(run.cpu_seconds for run in runs)},
        )
