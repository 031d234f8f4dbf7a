"""The alignment gap as a picture: proxy against north star, and their rank correlation by generation."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...evaluators.language.sanitize import visible
from ..config.run_dir import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, WRONG = "#222222", "#bbbbbb", "#c03030"
STYLE: Any = {
    "svg.hashsalt": "recevolve",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
}
COLOURS = "viridis"


def svg(gap: Mapping[str, Any], title: str, alarms: Sequence[int] = ()) -> str:
    """The picture of what `alignment.summary` gave, as SVG; equal bytes for equal arguments.

    Above: each elite's effects over production with their intervals, coloured by generation. Below: the rank
    correlation of each round and of all up to it. `alarms` are generations whose round sounded one.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 8.0), layout="constrained")
        FigureCanvasSVG(figure)
        above, below = figure.subplots(2, 1, height_ratios=(2.6, 1))
        _elites(figure, above, gap)
        _correlations(below, gap, alarms)
        figure.suptitle(visible(title), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "recevolve"})
    return out.getvalue()


def write(path: Path, gap: Mapping[str, Any], title: str, alarms: Sequence[int] = ()) -> None:
    """Writes the picture; the file appears complete or not at all."""
    write_whole(path, svg(gap, title, alarms))


def _elites(figure: "Figure", axes: "Axes", gap: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    rows = gap["elites"]
    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
    axes.plot(0, 0, "+", color=INK, ms=11, mew=1.6, zorder=4)
    generations = sorted({row["generation"] for row in rows})
    scale = _scale(generations)
    for row in rows:
        x, y = row["used"], row["north_star"]
        colour: Any = scale.to_rgba(row["generation"])
        across, up = x["estimate"], y["estimate"]
        axes.errorbar(
            across, up, xerr=_reach(x), yerr=_reach(y), fmt="none", ecolor=colour, elinewidth=0.8,
            alpha=0.45, zorder=1,
        )  # fmt: skip
        wrong = row["false_promotion"] == "worse beyond noise" or bool(row["missed_winner"])
        axes.plot(
            across,
            up,
            "D" if row["audited"] else "o",
            ms=6.0 if row["audited"] else 6.5,
            mfc="white" if row["audited"] else colour,
            mec=WRONG if wrong else colour,
            mew=1.6 if wrong or row["audited"] else 0.6,
            zorder=3,
        )
    axes.set_xlabel("proxy: gain over production" + (", re-weighted" if gap["taught"] else ""))
    axes.set_ylabel("north star: gain over production")
    axes.set_title(_headline(gap), loc="left", fontsize=9.5, color=INK)
    hollow: dict[str, Any] = {"ls": "", "mfc": "white", "mew": 1.6}
    signs = [
        Line2D([], [], marker="o", ls="", color="#3b528b", label="promoted"),
        Line2D([], [], marker="D", color="#3b528b", label="audited, drawn at random", **hollow),
        Line2D([], [], marker="o", color=WRONG, label="false promotion, missed winner", **hollow),
        Line2D([], [], marker="+", ls="", color=INK, ms=9, mew=1.6, label="production"),
    ]
    axes.legend(
        handles=signs, loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=4, frameon=False, fontsize=8,
        handletextpad=0.2, columnspacing=1.2,
    )  # fmt: skip
    if len(generations) > 1:
        bar = figure.colorbar(scale, ax=axes, pad=0.01, aspect=40)
        bar.set_label("generation of promotion")
        bar.ax.set_frame_on(False)


def _scale(generations: Sequence[int]) -> Any:
    """Colours by generation, without the palest end of the map."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    first, last = (generations[0], generations[-1]) if generations else (0, 1)
    shades = [colormaps[COLOURS](place / 255 * 0.88) for place in range(256)]
    return ScalarMappable(Normalize(first, max(last, first + 1)), ListedColormap(shades))


def _reach(interval: Mapping[str, Any]) -> list[list[float]] | None:
    """How far an interval reaches below and above; None where nobody knows."""
    if interval["low"] is None or interval["high"] is None:
        return None
    at = interval["estimate"]
    return [[max(0.0, at - interval["low"])], [max(0.0, interval["high"] - at)]]


def _headline(gap: Mapping[str, Any]) -> str:
    whole = gap["correlation"]
    if whole is None:
        return f"{len(gap['elites'])} elites, too few for a rank correlation"
    interval = f"{whole['estimate']:+.2f} [{whole['low']:+.2f}, {whole['high']:+.2f}]"
    return f"{len(gap['elites'])} elites, rank correlation {interval}; bars: 95 % intervals"


def _correlations(axes: "Axes", gap: Mapping[str, Any], alarms: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    whole = [(row["generation"], row["correlation"]) for row in gap["cumulative"] if row["correlation"]]
    if whole:
        x = [generation for generation, _ in whole]
        low, middle, high = ([one[end] for _, one in whole] for end in ("low", "estimate", "high"))
        axes.fill_between(x, low, high, color="#3b528b", alpha=0.15, lw=0)
        axes.plot(x, middle, color="#3b528b", lw=1.6, marker="o", ms=3.5, label="all up to this round")
    single = [(row["generation"], row["correlation"]) for row in gap["by_generation"] if row["correlation"]]
    for number, (generation, one) in enumerate(single):
        label = "elites of this round" if not number else None
        axes.errorbar(
            generation, one["estimate"], yerr=_reach(one), fmt="s", ms=4, color="#d08020", elinewidth=0.9,
            label=label,
        )  # fmt: skip
    for number, generation in enumerate(alarms):
        axes.plot(generation, -1.0, "^", color=WRONG, ms=8, clip_on=False, label=None if number else "alarm")
    if not whole and not single:
        axes.text(0.5, 0.6, "too few elites", transform=axes.transAxes, ha="center", color="#888888")
    else:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=3, frameon=False, fontsize=8)
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("generation")
    axes.set_ylabel("rank correlation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
