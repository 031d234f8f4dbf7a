"""KernelJudge: the kind bound to settings. Source in, Verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from typing import Any

from ...kernels.estimate.calibration import Calibration, load
from ...kernels.json_values import to_plain
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import judged
from ..kinds.judge import fingerprint, place_of
from ..sandbox import Limits, Sandbox
from .estimates import Cost, Estimator
from .examination import check_further, seed_of
from .gpu_queue import order
from .north_star import OFFSET, entries, timed
from .settings import Settings, measures, operator_for, reason, shapes_for

LEAST_MEGABYTES = 16_384
"""Of address space that a candidate may add, whatever the config says: inputs at real sizes and a record of
who touched each element of them take it, most of it never filled.
"""
LEAST_FOLDS = 4
"""Folds there are at the least: where there are fewer shapes, each is judged with several draws."""


class KernelJudge:
    """Judges kernels by the share of the roofline that they are estimated, or measured, to reach.

    ValidationError for settings that cannot be, ValueError for a calibration that cannot be read.
    """

    def __init__(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits, task_version: str
    ) -> None:
        chosen = Settings.model_validate(settings)
        self.settings = chosen
        self.limits = replace(limits, memory_mb=max(limits.memory_mb, LEAST_MEGABYTES))
        self.operator = operator_for(chosen)
        self.shapes = shapes_for(self.operator, chosen)
        self.calibration = _calibration(chosen)
        self.costs = Estimator(self.operator, chosen, self.limits, self.calibration)
        self.measured = measures(chosen)
        self.estimate = reason(chosen)
        self.units = [
            (shape, draw) for draw in range(ceil(LEAST_FOLDS / len(self.shapes))) for shape in self.shapes
        ]
        self.rungs = 2
        self.folds = len(self.units)
        self.data = (
            f"{self.operator.name} in {chosen.dtype} for {chosen.target}, "
            f"{'measured on this GPU' if self.measured else f'estimated for an {chosen.device}'}: "
            + ", ".join(shape.name for shape in self.shapes)
        )
        self.fingerprint = fingerprint(
            task_version,
            chosen.model_dump(mode="json", exclude={"calibration"}),
            to_plain(self.calibration) if self.calibration else None,
            asdict(limits),
            self.measured,
            [dict(shape.sizes) for shape in self.shapes],
            packages=("torch", "triton", "numpy"),
        )

    @judged
    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The estimated share at the headline shape; on the last rung the mean of all shapes, after further
        hidden sizes.
        """
        if rung == 0:
            return self._scored([self.costs(source, self.shapes[0], sandbox)])
        count = self.settings.more_hidden_sizes
        seed = seed_of(source, self.settings.seed, "rung")
        check_further(source, self.settings, seed, count, self.limits, sandbox)
        return self._scored([self.costs(source, shape, sandbox) for shape in self.shapes])

    @judged
    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The mean share of the fold's shapes, after hidden sizes of its own: measured where there is a GPU,
        estimated otherwise. facts['measured'] says which.
        """
        first = self.settings.seed + OFFSET * (1 + place_of(split))
        seed = seed_of(source, self.settings.seed, split, fold)
        check_further(source, self.settings, seed, self.settings.more_hidden_sizes, self.limits, sandbox)
        units = self.units[fold::of]
        verdict = self._scored([self.costs(source, shape, sandbox, first + draw) for shape, draw in units])
        if not self.measured:
            return verdict
        shapes = list({shape.name: shape for shape, _ in units}.values())
        return timed(verdict, entries(source, self.settings, shapes, self.limits, sandbox))

    @judged
    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """SCORED with `spill_bytes` a thread and `workspace_ratio` at the headline shape, lower is better.

        Spilled bytes are exact for the target. The ratio is of bytes that a call allocates beyond its outputs
        to those of its inputs and outputs.
        """
        cost = self.costs(source, self.shapes[0], sandbox)
        metrics = {
            "spill_bytes": Metric(cost.most("spill_bytes")),
            "shared_bytes": Metric(cost.most("shared_bytes")),
            "workspace_ratio": Metric(cost.workspace),
        }
        return Verdict(Status.SCORED, Metric(0.0), metrics=metrics)

    @judged
    def order(self, source: str, sandbox: Sandbox) -> Verdict:
        """What another machine needs to measure the program at every shape."""
        return order(entries(source, self.settings, self.shapes, self.limits, sandbox))

    def _scored(self, costs: Sequence[Cost]) -> Verdict:
        shares = [cost.share for cost in costs]
        mean = sum(shares) / len(shares)
        metrics = {
            "estimated_share": Metric(mean),
            "forward_share": _mean([cost.shares["forward"] for cost in costs]),
            "backward_share": _mean([cost.shares["backward"] for cost in costs]),
            "registers": Metric(max(cost.most("registers") for cost in costs)),
            "spill_bytes": Metric(max(cost.most("spill_bytes") for cost in costs)),
        }
        facts = {
            "measured": False,
            "label": "estimate",
            "trust": costs[0].estimate.trust,
            "shares": {cost.shape.name: round(cost.share, 4) for cost in costs},
            "bound": {cost.shape.name: cost.estimate.bound for cost in costs},
        }
        seconds = {"cpu_seconds": sum(cost.cpu_seconds for cost in costs)}
        return Verdict(Status.SCORED, Metric(mean), metrics=metrics, facts=facts, timings=seconds)


def _mean(values: Sequence[float]) -> Metric:
    return Metric(sum(values) / len(values))


def _calibration(settings: Settings) -> Calibration | None:
    if settings.calibration is None:
        return None
    try:
        return load(settings.calibration)
    except OSError as error:
        raise ValueError(f"kernel.calibration: expected a file of `calibration.save`: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"kernel.calibration: {settings.calibration} is no calibration: {error}") from None
