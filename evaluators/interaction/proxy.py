"""The proxy: trainings on the search split with a fixed optimizer, longer from rung to rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...population.values.verdict import Metric, Status, Verdict
from ..sandbox import Sandbox
from .setup import Arena, mean

GROUPS = 100
"""Groups of users whose losses the last rung names, so that an edit's worth is paired by them."""


@dataclass(frozen=True)
class Race:
    """Rungs on one arena. All programs share embeddings, tower and batch order, so that their scores pair.

    `rungs` holds passes over the training rows, from cheap to dear. The last one trains `draws` times with
    fresh weights and orders: close layers differ by less than one draw does from another.
    """

    arena: Arena
    rungs: Sequence[float]
    seed: int
    draws: int = 1

    def rows(self, rung: int) -> int:
        """Training rows that a rung sees."""
        return max(1, round(self.rungs[rung] * len(self.arena.splits["search"].train)))

    def run(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """SCORED with the negative log loss on held-out rows of the search split. Raises Failed.

        facts["units"] of the last rung has the negative loss of groups of users, whose mean is the score.
        """
        arena, last = self.arena, rung == len(self.rungs) - 1
        held_out = arena.splits["search"].held_out
        runs = []
        for seed in range(self.seed, self.seed + (self.draws if last else 1)):
            layer = arena.layer(source, seed, sandbox)
            order = arena.order("search", self.rows(rung), seed)
            with arena.behind(source, layer, sandbox) as behind:
                runs.append(arena.run(layer, behind, order, held_out, seed))
        score = mean([run.score for run in runs])
        loss = score.log_loss
        yardstick = arena.yardstick
        ratios = {
            "parameter_ratio": Metric(layer.size / yardstick.parameters),
            "flop_ratio": Metric(layer.flops / yardstick.flops),
        }
        facts: dict[str, Any] = {"outputs": layer.outputs}
        if last:
            facts["units"] = score.units(GROUPS)
        return Verdict(
            Status.SCORED,
            Metric(-loss.value, loss.spread, loss.count),
            metrics=score.metrics() | ratios,
            facts=facts,
            timings={"layer_cpu_seconds": sum(run.cpu_seconds for run in runs)},
        )
