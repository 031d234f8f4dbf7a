"""What a program would cost at real sizes: its launches, recorded in the sandbox, and priced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ...kernels.estimate.calibration import Calibration
from ...kernels.estimate.cost import Estimate, estimate
from ...kernels.estimate.device import H100, H200, CannotLaunch
from ...kernels.estimate.roofline import work
from ...kernels.gate import accuracy
from ...kernels.json_values import from_plain
from ...kernels.operators import Operator, Shape
from ...kernels.record.launch_record import Launch
from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from . import wire
from .assembler import assembled
from .examination import run
from .inside import DIRECTIONS, TARGETS, drawn
from .settings import Settings
from .wire import COMPILATIONS, Compilations

GPUS = {"H100": H100, "H200": H200}
REMEMBERED = 256
"""Estimates kept per judge, so that a rung need not repeat the one before it."""
MOST_WORK = 5e10
"""Operations of both directions beyond which no reference is computed to compare samples with."""
CLOSE = 0.05
"""How far a sampled element may lie from the reference, as a share of the largest. Digits are judged on small
sizes; here it is whether a program does its work at all where it counts."""
WHOLE = 0.97
"""The least share of an output that the grids must be able to write."""


@dataclass(frozen=True)
class Cost:
    """One program at one shape. All figures are estimates."""

    shape: Shape
    estimate: Estimate
    shares: Mapping[str, float]
    """Estimated share of the roofline, 0 to 1, by direction."""
    launches: Mapping[str, tuple[Launch, ...]]
    workspace: float
    """Bytes that it allocates beyond its outputs, over those of inputs and outputs."""
    cpu_seconds: float
    """That the candidate's process took."""

    @property
    def share(self) -> float:
        """Of both directions together."""
        return self.estimate.share

    def most(self, name: str) -> int:
        """The largest of a figure of its launches: registers, spill_bytes, shared_bytes."""
        return max((getattr(each, name) for each in self.estimate.launches), default=0)


@dataclass
class Estimator:
    """Prices programs of one operator; remembers what it priced."""

    operator: Operator
    settings: Settings
    limits: Limits
    calibration: Calibration | None = None
    dtype: torch.dtype = field(init=False)
    _costs: dict[tuple[str, str, int], Cost] = field(default_factory=dict, init=False, repr=False)
    _references: dict[tuple[str, int], Mapping[str, np.ndarray]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        self.dtype = getattr(torch, self.settings.dtype)

    def __call__(self, source: str, shape: Shape, sandbox: Sandbox, seed: int | None = None) -> Cost:
        """The cost of a program at a shape; `seed` draws other inputs and programs. Raises Failed.

        Without a seed kernels that another program had are not compiled again. With one, as at the north
        star, all is compiled anew.
        """
        shared, seed = seed is None, self.settings.seed if seed is None else seed
        key = source, shape.name, seed
        if key not in self._costs:
            while len(self._costs) >= REMEMBERED:
                del self._costs[next(iter(self._costs))]
            self._costs[key] = self._made(source, shape, seed, shared, sandbox)
        return self._costs[key]

    def _made(self, source: str, shape: Shape, seed: int, shared: bool, sandbox: Sandbox) -> Cost:
        settings = self.settings.model_copy(update={"seed": seed})
        compilations = COMPILATIONS if shared else Compilations()
        with compilations.sent() as known:
            given = (settings, self.limits, sandbox, f"being recorded at {shape.name}", [known])
            outcome = run("record", source, *given, sizes=dict(shape.sizes))
        record = wire.read(outcome.arrays)
        compilations.keep(outcome.arrays)
        try:
            launches = {
                direction: tuple(from_plain(Launch, each) for each in record[direction]["launches"])
                for direction in DIRECTIONS
            }
            self._require_whole(record, shape)
            workspace = self._workspace(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Failed(Status.CRASHED, "it sent a record of its launches that cannot be read") from None
        self._require_values(launches, record, outcome.arrays, shape, seed)
        target = TARGETS[self.settings.target]
        launches = {
            direction: tuple(replace(each, binary=assembled(each.ptx, target)) for each in several)
            for direction, several in launches.items()
        }
        return self._priced(shape, launches, workspace, outcome.cpu_seconds)

    def _priced(
        self, shape: Shape, launches: Mapping[str, tuple[Launch, ...]], workspace: float, cpu: float
    ) -> Cost:
        works = dict(zip(DIRECTIONS, work(self.operator, shape.sizes, self.dtype), strict=True))
        device = GPUS[self.settings.device]
        try:
            each = {
                direction: estimate(several, device, self.calibration, (works[direction],)).share
                for direction, several in launches.items()
            }
            both = [launch for direction in DIRECTIONS for launch in launches[direction]]
            whole = estimate(both, device, self.calibration, tuple(works.values()))
        except CannotLaunch as refused:
            raise Failed(Status.INVALID, f"at {shape.name}: {refused}") from None
        except ValueError as wrong:  # the record is a candidate's word, and may contradict itself
            raise Failed(Status.CRASHED, f"it sent launches that cannot be priced: {wrong}") from None
        return Cost(shape, whole, each, launches, workspace, cpu)

    def _workspace(self, record: Mapping[str, Any]) -> float:
        """Bytes beyond inputs and outputs over theirs, the greater of both directions."""
        ratios: list[float] = []
        for direction in DIRECTIONS:
            outputs = {each["storage"] for each in record[direction]["outputs"].values()}
            sizes = {number: (size, origin) for number, size, origin in record[direction]["storages"]}
            own = sum(s for n, (s, origin) in sizes.items() if origin == "given" or n in outputs)
            ratios.append(sum(s for s, _ in sizes.values()) / max(own, 1) - 1.0)
        return max(ratios)

    def _require_whole(self, record: Mapping[str, Any], shape: Shape) -> None:
        """Failed where the grids are too small to write an output, which shows at real sizes alone."""
        for direction in DIRECTIONS:
            for name, share in record[direction]["covered"].items():
                if not share >= WHOLE:
                    raise Failed(
                        Status.CHEATED,
                        f"unwritten at {shape.name}: {direction} writes {share:.0%} of {name} at most",
                    )

    def _require_values(
        self,
        launches: Mapping[str, Sequence[Launch]],
        record: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        shape: Shape,
        seed: int,
    ) -> None:
        """Failed where elements that sampled programs wrote at real sizes are not the reference's."""
        if sum(self.operator.flops(shape.sizes)) > MOST_WORK:
            return
        for name, truth in self._reference(shape, seed).items():
            direction = DIRECTIONS[0] if name == "output" else DIRECTIONS[1]
            places, values = arrays.get(f"{name} at"), arrays.get(name)
            if places is None or values is None or places.shape != values.shape or places.dtype != np.int64:
                raise Failed(Status.CRASHED, f"it sent no elements of {name} that can be read")
            if not final(launches[direction], record[direction]["outputs"][name]["storage"]):
                continue
            if places.size and not (places.min() >= 0 and places.max() < truth.size):
                raise Failed(Status.CRASHED, f"it sent elements of {name} outside of it")
            off = np.abs(values - truth[places]) > CLOSE * max(float(np.abs(truth).max()), 1e-30)
            if (off | ~np.isfinite(values)).any():
                raise Failed(
                    Status.CHEATED,
                    f"wrong at {shape.name}: {int(off.sum())} of {places.size} sampled elements of {name} "
                    "are not the reference's, though results on small sizes were right",
                )

    def _reference(self, shape: Shape, seed: int) -> Mapping[str, np.ndarray]:
        """Flat results of the reference in float32 on the inputs that the candidate is recorded with."""
        if (shape.name, seed) not in self._references:
            self._references.clear()  # they are large, and programs come by the dozen at one shape and seed
            grad, inputs = drawn(self.operator, shape.sizes, self.dtype, seed)
            wide = tuple(each.float() if each.is_floating_point() else each for each in inputs)
            results = (
                *accuracy.forward(self.operator, wide),
                *accuracy.backward(self.operator, wide, grad.float()),
            )
            names = ("output", *self.operator.differentiable)
            self._references[shape.name, seed] = {
                name: result.reshape(-1).numpy() for name, result in zip(names, results, strict=True)
            }
        return self._references[shape.name, seed]


def final(launches: Sequence[Launch], storage: int) -> bool:
    """Whether what sampled programs left in a storage is its final contents.

    It is not where atomics add into it, or a launch that stores to it reads what another one wrote: of
    that the sample has a part.
    """
    made: set[int] = set()
    for launch in launches:
        moved = launch.account.traffic if launch.account else {}
        places = {name: launch.storages(name) for name in moved}
        writes = {
            p for n, each in moved.items() if each.store_lanes or each.atomic_sectors for p in places[n]
        }
        reads = {p for n, each in moved.items() if each.load_lanes for p in places[n]}
        if storage in writes and (
            reads & made or any(storage in places[n] and each.atomic_sectors for n, each in moved.items())
        ):
            return False
        made |= writes
    return True
