"""Measured: what a device said of a run's programs, for reports. Light to import."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ..population.measurement import timed
from ..population.views import Views


def standings(archive: Views) -> list[dict[str, Any]]:
    """One row for each program that a device was asked about, the best first."""
    order = {one.program_id: rank for rank, one in enumerate(archive.elites())}
    rows = [
        {
            "program": one.program_id,
            "device": one.device,
            "taken": one.created,
            "verdict": one.verdict,
            "reason": one.reason,
            "roofline_share": one.share,
            "seconds": one.seconds,
            "baseline": one.baseline,
            "ratio": one.ratio,
            "low": one.low,
            "high": one.high,
        }
        for one in timed(archive.measurements()).values()
    ]
    return sorted(rows, key=lambda row: (order.get(row["program"], len(order)), row["program"]))


def fastest(archive: Views) -> str | None:
    """The program that leads by measurement, None where nothing was measured."""
    leader = next(iter(archive.elites(1)), None)
    return leader.program_id if leader and leader.measured else None


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `standings` for a person."""
    shown = Table("program", "measured", "of the roofline", "faster than", "by", "device", box=None)
    for row in rows:
        if row["roofline_share"] is None:
            shown.add_row(
                row["program"], Text(f"{row['verdict']}: {row['reason']}"), "", "", "", row["device"]
            )
            continue
        by = "" if row["ratio"] is None else f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        time, share = f"{row['seconds'] * 1e6:.1f} µs", f"{row['roofline_share']:.1%}"
        shown.add_row(row["program"], time, share, row["baseline"], by, row["device"])
    return shown
