"""Rows of the benchmark's table: an operator at a shape in a dtype and direction, estimated or measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..timing.baselines import MODES
from ..timing.measurements import Timing

PREVIOUS = "previous"
"""The contender that `--baseline` brings."""
_RATIOS = (*MODES, PREVIOUS)


@dataclass(frozen=True)
class Row:
    """What is known of one call. `kind` says whether a GPU was asked: an estimate is never a time."""

    operator: str
    shape: str
    dtype: str
    direction: str
    kind: Literal["estimate", "measured", "red"]
    """"red": the gate found something, so there is no number."""
    seconds: float = 0.0
    share: float = 0.0
    """Of the roofline, 0 to 1."""
    bound: str = ""
    ratios: Mapping[str, str] = field(default_factory=dict)
    """By baseline, how many times faster: "1.42x", "tie"; of an estimate, against an estimate."""
    spread: str = ""
    """Quantiles at 20 and 80 % of a measured median."""
    warm: float = 0.0
    host: float = 0.0
    """Seconds with the host's work in Python included."""
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """As text, one for each of `HEADINGS`."""
        numbers = (
            f"{self.seconds * 1e6:.2f}",
            self.spread,
            f"{self.share:.0%}",
            *(self.ratios.get(name, "") for name in _RATIOS),
            " ".join(f"{value * 1e6:.2f}" for value in (self.warm, self.host) if value),
        )
        what = (self.operator, self.shape, self.dtype, self.direction, self.kind)
        return (*what, *([""] * len(numbers) if self.kind == "red" else numbers), self.note)


HEADINGS = (
    "operator", "shape", "dtype", "direction", "kind", "us", "20-80 %", "roofline",
    *(f"vs {name}" for name in _RATIOS), "warm, host us", "note",
)  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """All rows under their headings, columns aligned; columns that are empty throughout are left out."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    used = [index for index in range(len(HEADINGS)) if any(line[index] for line in cells[1:])]
    widths = {index: max(len(line[index]) for line in cells) for index in used}
    return "\n".join("  ".join(line[index].ljust(widths[index]) for index in used).rstrip() for line in cells)


def measured(name: tuple[str, str, str, str], timing: Timing, host: float) -> Row:
    """The row of a timing. `name` is operator, shape, dtype and direction."""
    return Row(
        *name,
        "measured",
        seconds=timing.cold.median,
        share=timing.roofline_share,
        bound=timing.bound,
        ratios={
            other: f"{ratio.ratio:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}] {ratio.verdict}"
            for other, ratio in timing.ratios.items()
        }
        | dict.fromkeys(timing.failed, "failed"),
        spread=f"{timing.cold.low * 1e6:.2f}-{timing.cold.high * 1e6:.2f}",
        warm=timing.warm.median,
        host=host,
        note=f"bound by {timing.bound}" + ("" if timing.steady else ", unsteady clock"),
    )
