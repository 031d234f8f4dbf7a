"""The audit's picture: the reward along each signal, and who gets the top of the list."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .audit_text import CROWDED
from .findings import TYPICAL, Audit, Curve, Grouping

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.375
"""Inches: 900 pixels in a browser."""
MOST_COLUMNS = 4
SHADES = ("#9ecae1", "#4292c6", "#08306b")
AGAINST = "#d62728"
"""Where a curve falls though more is wanted, or rises though less is."""
BAR = "#a8b3bf"
CROWD = "#e6a23c"
"""A group with more than CROWDED times its share."""
INK = "#333333"
SETTINGS = {
    "svg.hashsalt": "recevolve",
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
ARROWS = {1: "more is wanted", 0: "", -1: "less is wanted"}


def svg(audit: Audit, title: str) -> str:
    """The picture as SVG; equal bytes for equal audits under one version of matplotlib."""
    import matplotlib

    target = io.StringIO()
    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure(audit, title).savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()


def figure(audit: Audit, title: str) -> "Figure":
    """A panel for each signal, then one for each context that the audit has groups of."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = len(audit.curves) + len(audit.groupings)
    columns = min(MOST_COLUMNS, max(panels, 2))
    rows = -(-panels // columns)
    spare = rows * columns - panels
    made = Figure(figsize=(WIDTH, 0.45 + 2.35 * rows + (0.0 if spare else 0.6)), layout="constrained")
    FigureCanvasSVG(made)
    made.get_layout_engine().set(w_pad=0.06, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    cells: list[Axes] = list(made.subplots(rows, columns, squeeze=False).flat)
    span = _span(audit.curves)
    for index, curve in enumerate(audit.curves):
        _draw_curve(cells[index], curve, span)
        if index % columns:
            cells[index].tick_params(labelleft=False)
        else:
            cells[index].set_ylabel("reward")
    for cell, grouping in zip(cells[len(audit.curves) : panels], audit.groupings, strict=True):
        _draw_groups(cell, grouping)
    for cell in cells[panels:]:
        cell.set_axis_off()
    made.suptitle(title, x=0.008, ha="left", fontsize=11.5, fontweight="bold")
    handles = _handles(bool(audit.groupings))
    if spare:
        legend = cells[panels].legend(handles=handles, loc="center left", frameon=False, fontsize=8.0)
        legend.set_in_layout(False)
    else:
        made.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8.0)
    return made


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """The same vertical range in every panel, so that steep looks steep."""
    values = [value for curve in curves for line in curve.lines for value in line if value - value == 0.0]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _draw_curve(cell: "Axes", curve: Curve, span: tuple[float, float]) -> None:
    for values, shade in zip(curve.lines, SHADES, strict=True):
        cell.plot(curve.at, values, color=shade, linewidth=1.8, solid_capstyle="round")
        against = _against(values, curve.signal.better)
        if any(value == value for value in against):
            cell.plot(curve.at, against, color=AGAINST, linewidth=2.6, linestyle=(0, (2, 1)))
    cell.set_ylim(*span)
    cell.plot(curve.deciles, [0.03] * len(curve.deciles), transform=cell.get_xaxis_transform(), **RUG)
    cell.set_title(curve.signal.name, fontweight="bold")
    cell.set_title(ARROWS[curve.signal.better], loc="right", fontsize=8.0, color="#777777")
    cell.set_xlabel(curve.signal.unit, parse_math=False)
    cell.grid(axis="y", color="#eeeeee")
    cell.locator_params("x", nbins=4)
    cell.locator_params("y", nbins=6)


RUG: dict[str, Any] = {"linestyle": "none", "marker": "|", "color": "#888888", "markersize": 6.0}


def _against(values: Sequence[float], better: int) -> list[float]:
    """The values where the curve goes against what is wanted, NaN elsewhere."""
    nothing = float("nan")
    kept = [nothing] * len(values)
    least = 1e-9 * max((abs(value) for value in values if value - value == 0.0), default=0.0)
    for index in range(len(values) - 1):
        if better * (values[index + 1] - values[index]) < -least:
            kept[index], kept[index + 1] = values[index], values[index + 1]
    return kept


def _draw_groups(cell: "Axes", grouping: Grouping) -> None:
    places = range(len(grouping.groups))
    colors = [CROWD if group.top > CROWDED * group.share else BAR for group in grouping.groups]
    cell.bar(places, [100.0 * group.top for group in grouping.groups], color=colors, width=0.8)
    edges = [place + side for place in places for side in (-0.5, 0.5)]
    even = [100.0 * group.share for group in grouping.groups for _ in range(2)]
    cell.plot(edges, even, color=INK, linewidth=1.3)
    cell.set_xticks(list(places), [group.label for group in grouping.groups])
    cell.set_title(grouping.context.name, fontweight="bold")
    cell.set_xlabel("tenth of rows, 10 the highest" if grouping.tenths else "value")
    cell.set_ylabel("% of the top tenth")
    cell.set_ylim(bottom=0.0)
    cell.grid(axis="y", color="#eeeeee")
    cell.set_axisbelow(True)


def _handles(grouped: bool) -> "list[Artist]":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Line2D([], [], color=shade, linewidth=1.8, label=f"other signals at {100 * quantile:.0f} %")
        for quantile, shade in zip(TYPICAL, SHADES, strict=True)
    ]
    handles += [
        Line2D([], [], color=AGAINST, linewidth=2.6, linestyle=(0, (2, 1)), label="against what is wanted"),
        Line2D([], [], label="deciles of the rows", **RUG),
    ]
    if grouped:
        handles += [
            Patch(color=BAR, label="share of the top tenth"),
            Patch(color=CROWD, label=f"over {CROWDED:g} times even"),
            Line2D([], [], color=INK, linewidth=1.3, label="even: share of all rows"),
        ]
    return handles
