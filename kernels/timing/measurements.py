"""What working off a gpu-queue gives: one file of results, with the machine that they are from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..gpu_queue.queue import write_whole
from ..json_values import from_plain, to_plain

FORMAT = 1
Verdict = Literal["measured", "wrong", "crashed", "timed_out", "refused"]
"""`wrong`: outputs are not the reference's, before or after timing. `refused`: not for this machine."""


@dataclass(frozen=True)
class Seconds:
    """Of one call: the median over rounds and the quantiles at 20 and 80 %."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True)
class Ratio:
    """How many times faster than a baseline, above 1 is faster, with a bootstrap interval at 95 %."""

    ratio: float
    low: float
    high: float
    verdict: str
    """"faster", "slower", or "tie": less than 3 %, or an interval that holds 1."""


@dataclass(frozen=True)
class Timing:
    """One direction of one program."""

    cold: Seconds
    """On the GPU, the L2 cache flushed before each call."""
    warm: Seconds
    """On the GPU, the same inputs again and again."""
    baselines: Mapping[str, Seconds]
    """Cold, by name: "eager", "compile", "compile-max-autotune"."""
    ratios: Mapping[str, Ratio]
    """Cold, by baseline."""
    failed: Mapping[str, str]
    """Baselines that could not be timed, and why."""
    bracket: float
    """Seconds that an empty call is measured at: what the two events cost."""
    roofline_seconds: float
    """The least that bytes over bandwidth and operations over rate allow."""
    roofline_share: float
    """Of the roofline that the cold median reaches, 0 to 1."""
    bound: str
    """"bytes" or "operations"."""
    error_ratio: float
    """Largest error over eager's in the same dtype against float64; above 3 the program is wrong."""
    discarded: int
    """Rounds left out because the SM clock had dropped by more than 3 %."""
    steady: bool
    sm_mhz: tuple[float, float] | None
    watts: tuple[float, float] | None


@dataclass(frozen=True)
class Result:
    """One entry of the queue."""

    id: str
    program: str
    verdict: Verdict
    reason: str = ""
    assembled: str = ""
    """"cubin" as it came, or "ptx", assembled by this machine's driver."""
    timings: Mapping[str, Timing] = field(default_factory=dict)
    """By direction; empty unless measured."""

    @property
    def seconds(self) -> float | None:
        """Forward and backward together, cold; None unless measured."""
        return sum(each.cold.median for each in self.timings.values()) if self.timings else None

    @property
    def roofline_share(self) -> float | None:
        """Of all directions together: their rooflines over their times; None unless measured."""
        if self.seconds is None:
            return None
        return sum(each.roofline_seconds for each in self.timings.values()) / self.seconds


@dataclass(frozen=True)
class Machine:
    """Where it was measured, and with what."""

    device: str
    capability: str
    """"9.0"."""
    driver: str
    bytes_per_second: float
    """Of a large copy on this device, reads and writes together: the roofline for bytes."""
    versions: Mapping[str, str]
    """python, torch, cuda, triton."""
    command: str
    started: str
    """UTC, as ISO 8601."""


@dataclass(frozen=True)
class Measurements:
    """The results file: `recevolve kernels ingest` reads it, a second run on the same machine adds to it."""

    machine: Machine
    results: tuple[Result, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {"format": FORMAT, **to_plain(self)}

    @classmethod
    def from_json(cls, data: Any) -> "Measurements":
        """What `to_json` was called on. ValueError for another format, or anything else."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else data
            raise ValueError(f"expected measurements of format {FORMAT}, got {found!r}")
        return from_plain(cls, {name: each for name, each in data.items() if name != "format"})

    def save(self, path: Path) -> None:
        """Replaces the file in one step."""
        write_whole(path, json.dumps(self.to_json(), indent=1, sort_keys=True).encode())

    @classmethod
    def load(cls, path: Path) -> "Measurements":
        """The file's content. Raises ValueError where it is none."""
        return cls.from_json(json.loads(path.read_text()))
