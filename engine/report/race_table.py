"""The final race as a report shows it: on the selection split, who got how many folds, and what they said."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from .alignment_table import words


def race_table(report: Mapping[str, Any]) -> list[Table]:
    """The race for a person; nothing for a run without one, such as one that experiments decided."""
    rows = report.get("race", ())
    if not rows:
        return []
    table = Table(box=None, title="The final race, on the selection split", title_justify="left")
    for column in ("program", "folds", "gain"):
        table.add_column(column, justify="left" if column == "program" else "right")
    table.add_column("", overflow="fold")
    for row in rows:
        name = f"{row['name']} (in production)" if row["name"] == report["production"] else row["name"]
        said = row["out"] or ("behind the best" if row["behind"] else "")
        table.add_row(name, str(row["folds"]), words(row["gain"]) if row["gain"] else "", Text(said))
    return [table]


def best_after(report: Mapping[str, Any]) -> list[str]:
    """After how many epochs the trainings of each program of the claim were best, where the kind says so."""
    told = [
        f"{row['name']} {row['best_epochs']:.1f} of {row['epochs']:.1f}"
        for row in report["arms"]
        if "best_epochs" in row
    ]
    return [f"Best after so many epochs, by a slice that does not score: {', '.join(told)}."] if told else []
