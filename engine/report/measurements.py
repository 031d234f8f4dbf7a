"""Measured: what a device said of a run's programs, for reports. Light to import."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from ...population.archive.views import Views
from ...population.values.measurement import timed


def standings(archive: Views) -> list[dict[str, Any]]:
    """One row for each program that a device was asked about, the best first."""
    elites = archive.elites()
    order = {one.program_id: rank for rank, one in enumerate(elites)}
    guessed = {one.program_id: one.north_star.value for one in elites if one.north_star}
    rows = [
        {
            "program": one.program_id,
            "device": one.device,
            "taken": one.created,
            "verdict": one.verdict,
            "reason": one.reason,
            "roofline_share": one.share,
            "estimated_share": guessed.get(one.program_id),
            "seconds": one.seconds,
            "baseline": one.baseline,
            "ratio": one.ratio,
            "low": one.low,
            "high": one.high,
        }
        for one in timed(archive.measurements()).values()
    ]
    return sorted(rows, key=lambda row: (order.get(row["program"], len(order)), row["program"]))


def trust(rows: Sequence[Mapping[str, Any]]) -> str:
    """How far the run's estimates were from what was measured, and when that was; empty where nothing was."""
    pairs = [(row["estimated_share"], row["roofline_share"]) for row in rows if row["roofline_share"]]
    errors = [abs(estimate / share - 1) for estimate, share in pairs if estimate is not None]
    if not errors:
        return ""
    taken = max(row["taken"] for row in rows)[:10]
    return f"the estimates of {len(errors)} programs were off by {median(errors):.0%} (median), as of {taken}"


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `standings` for a person."""
    heads = ("measured", "of the roofline", "estimate", "faster than")
    whole = Column("program", no_wrap=True), Column("by", no_wrap=True)
    shown = Table(
        whole[0], *heads, whole[1], "device", box=None, title=trust(rows) or None, title_justify="left"
    )
    for row in rows:
        if row["roofline_share"] is None:
            shown.add_row(
                row["program"], Text(f"{row['verdict']}: {row['reason']}"), "", "", "", row["device"]
            )
            continue
        by = "" if row["ratio"] is None else f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        time, share = f"{row['seconds'] * 1e6:.1f} µs", f"{row['roofline_share']:.1%}"
        guess = "" if row["estimated_share"] is None else f"{row['estimated_share']:.1%}"
        shown.add_row(row["program"], time, share, guess, row["baseline"], by, row["device"])
    return shown
