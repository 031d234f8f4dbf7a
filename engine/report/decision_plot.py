"""The decision as a picture: what was gained over production, by the evolved program and by known methods."""

import textwrap
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ...evaluators.language.sanitize import everywhere, visible
from ..config.run_dir import write_whole
from ..north_star.decision import recorded, short
from .alignment_plot import FAINT, INK, STYLE

CLAIMED, RACED = "#3b528b", "#999999"
WIDTH = 96
"""Characters of a line of the title."""


def svg(report: Mapping[str, Any]) -> str:
    """The picture of a report as SVG, equal bytes for equal reports; None of its numbers is computed here.

    A row for each known method and for the best evolved program, the best first: its gain in the deciding
    metric with the interval of the report. Filled: on the claim split. Hollow: on the selection split, of a
    program that the race left behind.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    report = everywhere(visible, report)
    rows, metric = _rows(report), next(iter(report["metrics"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.5 + 0.3 * len(rows)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.axvline(0, color=INK, lw=0.8, ls=":")
        for place, row in enumerate(rows):
            reach = [[row["estimate"] - row["low"]], [row["high"] - row["estimate"]]]
            colour = CLAIMED if row["claimed"] else RACED
            axes.errorbar(
                row["estimate"], place, xerr=reach, fmt="o", ms=5.5, color=colour, elinewidth=1.1,
                mfc=colour if row["claimed"] else "white",
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=FAINT, lw=0.4)
        axes.set_axisbelow(True)
        axes.set_xlabel(
            f"gain in {metric.replace('_', ' ')} over {short(report['production'])}, in production "
            "(right is better)\nfilled: claim split; hollow: left behind on the selection split"
        )
        title = textwrap.fill(recorded(report)["line"], WIDTH)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold", color=INK)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "recevolve"})
    return out.getvalue()


def write(path: Path, report: Mapping[str, Any]) -> None:
    """Writes the picture; the file appears complete or not at all."""
    write_whole(path, svg(report))


def _rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """(label, gain, interval, whether on the claim split) of each program but production, the best first."""
    metric = next(iter(report["metrics"]))
    claimed = {row["program"]: row["metrics"][metric]["gain"] for row in report["arms"] if "metrics" in row}
    raced = {row["program"]: row["gain"] for row in report.get("race", ()) if row["gain"]}
    names = {row["program"]: row["name"] for row in [*report.get("race", ()), *report["arms"]]}
    evolved = _evolved(report)
    rows = []
    for program, gain in {**raced, **claimed}.items():
        nameless = names[program] in ("winner", program)
        if names[program] == report["production"] or gain["low"] is None or (nameless and program != evolved):
            continue
        label = f"evolved {short(program)}" if nameless else names[program]
        rows.append({"label": label, "claimed": program in claimed, **gain})
    return sorted(rows, key=lambda row: -row["estimate"])


def _evolved(report: Mapping[str, Any]) -> str | None:
    """The winner; where that is production, the evolved program that came furthest in the race.

    None that is refused or behaves as a known method. None where there is no other.
    """
    claimed = [row["program"] for row in report["arms"] if row["name"] == "winner"]
    copies = report["winner"].get("equal", {})
    raced = [
        row["program"]
        for row in report.get("race", ())
        if row["name"] == row["program"] and not row["out"] and row["program"] not in copies
    ]
    return next(iter([*claimed, *raced]), None)
