"""The alignment gap for a person: tables, and a scatter of characters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ...population.archive.archive import Archive
from ..config.run_dir import REPORT, archive_of

WIDTH, HEIGHT = 60, 15
UNSURE = "no interval: one measurement"
"""What stands beside an effect whose standard error nothing tells."""


def read(run: Path) -> dict[str, Any]:
    """The alignment gap of a run as JSON: that of its report where the search has not moved since.

    `rounds` says what each noted: `generation`, `alarm`, and the `weights` that it taught.
    """
    from ..claim import covers
    from ..config.config import parse
    from ..experiments.outcomes import live_effects
    from ..north_star.alignment import Elites, note_at, summary

    with Archive.read(archive_of(run)) as archive:
        begun = archive.run()
        config = parse(begun.config["config"]) if begun else None
        elites = Elites.of(archive, live_effects(archive, config.online)) if config else None
        if elites is None or config is None:
            return {**summary((), 0), "rounds": [], "kind": None, "production": None}
        report = archive.conclusion(REPORT)
        if report and covers(archive, report) and report.get("alignment"):
            gap = report["alignment"]
        else:
            gap = summary([point for point, _ in elites.measured()], config.seed)
        noted = sorted({promotion.generation for promotion in archive.promotions()})
        rounds = [asdict(note_at(archive, generation)) for generation in noted]
        return {**gap, "rounds": rounds, "kind": config.kind, "production": elites.production}


def draw(facts: Mapping[str, Any], path: Path) -> None:
    """Writes the picture of what `read` gave."""
    from .alignment_plot import write

    alarms = [one["generation"] for one in facts["rounds"] if one["alarm"]]
    write(path, facts, f"Proxy against north star: {facts['kind']}", alarms)


def tables(facts: Mapping[str, Any]) -> RenderableType:
    """What `read` gave, for a person."""
    if not facts["elites"]:
        return Text(
            "Nothing to compare yet: no elite has a north star. The first promotion round measures some."
        )
    parts: list[RenderableType] = [Text(facts["sentence"], style="bold"), _generations(facts), _elites(facts)]
    parts += [_wrong(facts, "false_promotions"), _wrong(facts, "missed_winners")]
    if taught := facts["taught"]:
        ours, theirs = (_ranks(taught[name]) for name in ("reweighted", "plain"))
        line = (
            f"{taught['elites']} elites were promoted by weights that earlier ones taught: rank correlation"
        )
        parts.append(Text(f"{line} {ours}; of the plain proxy over the same elites {theirs}."))
    parts += [
        Text(f"generation {one['generation']}: ALARM: {one['alarm']}", style="bold red")
        for one in facts["rounds"]
        if one["alarm"]
    ]
    return Group(*parts)


def words(interval: Mapping[str, Any], digits: int = 4) -> str:
    """An interval as `effects.plain` gave it, for a person: +0.0123 [-0.0010, +0.0256]."""
    low, high = (interval[end] for end in ("low", "high"))
    if low is None or high is None:
        return f"{interval['estimate']:+.{digits}f} ({UNSURE})"
    return f"{interval['estimate']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def gap(facts: Mapping[str, Any] | None) -> list[RenderableType]:
    """What a report says of the gap: the sentence, and the scatter where there is one to see."""
    if not facts or not facts["elites"]:
        return []
    return [Text(f"Alignment: {facts['sentence']}."), Text(scatter(facts["elites"]))]


def _ranks(interval: Mapping[str, Any] | None) -> str:
    return words(interval, 2) if interval else "too few"


def _generations(facts: Mapping[str, Any]) -> Table:
    table = Table("generation", "elites", "rank correlation", "all up to it", box=None)
    for one, upto in zip(facts["by_generation"], facts["cumulative"], strict=True):
        cells = [_ranks(row["correlation"]) for row in (one, upto)]
        table.add_row(str(one["generation"]), str(one["elites"]), *cells)
    return table


def _elites(facts: Mapping[str, Any]) -> Table:
    proxy = "re-weighted proxy" if facts["taught"] else "proxy"
    whole = (Column(name, no_wrap=True) for name in ("program", "how", proxy, "north star"))
    table = Table("generation", *whole, box=None, title="Gains over production", title_justify="left")
    for row in facts["elites"]:
        how = "audited" if row["audited"] else "promoted"
        star = words(row["north_star"]) + ("" if row["source"] == "selection" else f" ({row['source']})")
        table.add_row(str(row["generation"]), row["program"], how, words(row["used"]), star)
    return table


def _wrong(facts: Mapping[str, Any], name: str) -> RenderableType:
    rows = facts[name]
    if name == "false_promotions":
        title = "False promotions: the proxy held them better than production beyond noise"
        lines = [f"  {row['program']}: {row['false_promotion']} by the north star" for row in rows]
    else:
        title = f"Missed winners, of {facts['audited']} audited: the proxy left them below the promoted"
        lines = [f"  {row['program']}: beats {row['missed_winner']} beyond noise" for row in rows]
    return Text("\n".join([title, *(lines or ["  none"])]))


def scatter(rows: Sequence[Mapping[str, Any]]) -> str:
    """The elites in characters: proxy to the right, north star upwards, lines where production stands.

    `o` was promoted, `a` audited, `x` is a false promotion or a missed winner, a digit several.
    """
    points = [(row["used"]["estimate"], row["north_star"]["estimate"]) for row in rows]
    spans = [_span([point[axis] for point in points]) for axis in (0, 1)]
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    column, line = (_place(0.0, *span, size) for span, size in zip(spans, (WIDTH, HEIGHT), strict=True))
    for y in range(HEIGHT):
        grid[y][column] = "│"
    grid[line] = ["─"] * WIDTH
    grid[line][column] = "┼"
    crowd: dict[tuple[int, int], list[str]] = {}
    for row, point in zip(rows, points, strict=True):
        x, y = _place(point[0], *spans[0], WIDTH), _place(point[1], *spans[1], HEIGHT)
        wrong = row["false_promotion"] == "worse beyond noise" or row["missed_winner"]
        crowd.setdefault((x, y), []).append("x" if wrong else "a" if row["audited"] else "o")
    for (x, y), signs in crowd.items():
        grid[y][x] = signs[0] if len(signs) == 1 else str(min(len(signs), 9))
    lines = ["".join(cells[:]) for cells in reversed(grid)]
    (left, right), (low, high) = spans
    foot = f"proxy over production {left:+.3g} to {right:+.3g} →"
    legend = "o promoted, a audited, x wrong, a digit: so many"
    head = f"↑ north star over production, {low:+.3g} to {high:+.3g}; {legend}"
    return "\n".join([head, *(each.rstrip() for each in lines), foot])


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis that shows the values and 0."""
    low, high = min(0.0, *values), max(0.0, *values)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _place(value: float, low: float, high: float, size: int) -> int:
    return min(size - 1, math.floor((value - low) / (high - low) * (size - 1) + 0.5))
