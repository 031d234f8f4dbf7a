"""Draws the progress of a run: `python docs/progress.py runs/reward -o docs/progress.svg`.

Above stands what the search saw: the proxy score of each candidate that ran the whole race, and the best so
far; higher is better. Below stands what the north star said of the elites, as a gain over production.
"""

import argparse
import math
from collections.abc import Sequence
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from recevolve.engine.config.run_dir import archive_of
from recevolve.engine.report.alignment_plot import STYLE
from recevolve.engine.report.alignment_table import read
from recevolve.population.archive.archive import Archive

INK, LINE, FAINT = "#222222", "#3b528b", "#bbbbbb"


def candidates(run: Path) -> list[list[tuple[float, str]]]:
    """For each generation the (score, last stage) of its candidates on all islands; NaN without a score."""
    with Archive.read(archive_of(run)) as archive:
        last = archive.generations()
        return [
            [
                (one.verdict.score.value if one.verdict.score else float("nan"), one.stage)
                for island in last
                for one in archive.evaluations(island, generation)
            ]
            for generation in range(max(last.values()) + 1)
        ]


def above(axes: Axes, generations: Sequence[Sequence[tuple[float, str]]]) -> None:
    """What the search saw, by number of candidates."""
    whole = generations[0][0][1]  # the program in production runs every rung
    at, scores = [], []
    for number, (score, stage) in enumerate(one for part in generations for one in part):
        if stage == whole and math.isfinite(score):
            at.append(number + 1)
            scores.append(score)
    axes.plot(at, scores, ".", color=FAINT, ms=4, label="a candidate that ran the whole race")
    best = list(accumulate(scores, max))
    end = sum(map(len, generations))
    axes.step([*at, end], [*best, best[-1]], where="post", color=LINE, lw=1.8, label="best so far")
    axes.axhline(scores[0], color=INK, lw=0.8, ls=":", label="production")
    axes.set_ylabel("proxy score")


def below(axes: Axes, ends: Sequence[int], elites: Sequence[Any]) -> None:
    """What the north star said of each elite, at the candidates that there were when it was chosen."""
    for number, one in enumerate(elites):
        gain = one["north_star"]
        reach = [[gain["estimate"] - gain["low"]], [gain["high"] - gain["estimate"]]]
        axes.errorbar(
            ends[one["generation"]], gain["estimate"], yerr=reach, fmt="D" if one["audited"] else "o", ms=5,
            color=LINE, mfc="white" if one["audited"] else LINE, elinewidth=0.9,
            label=None if number else "an elite, 95 % interval (hollow: drawn at random)",
        )  # fmt: skip
    axes.axhline(0, color=INK, lw=0.8, ls=":", label="production")
    axes.set_ylabel("north star: gain")
    axes.set_xlabel("candidates, log scale")
    axes.set_xscale("log")


def svg(run: Path) -> str:
    """The picture; equal bytes for equal runs."""
    generations = candidates(run)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 5.0), layout="constrained")
        FigureCanvasSVG(figure)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        above(upper, generations)
        below(lower, list(accumulate(map(len, generations))), read(run)["elites"])
        for axes in (upper, lower):
            axes.legend(loc="lower right", frameon=False, fontsize=8)
        figure.align_ylabels()
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "recevolve"})
    return out.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draws the progress of a run as SVG.")
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the SVG file to write")
    asked = parser.parse_args()
    asked.output.write_text(svg(asked.run), encoding="utf-8")
