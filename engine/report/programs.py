"""The programs of a run, one by one: source, judgements, ancestors, and what changed between two."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Column, Table
from rich.text import Text

from ...evaluators.language.literals import normal
from ...population.archive.archive import Archive
from ...population.values.evaluation import Evaluation
from ..config.run_dir import REPORT, archive_of
from .alignment_table import words
from .report import brief, find, identify


def program(run: Path, asked: str) -> dict[str, Any]:
    """A program's source, its evaluations and its north-star verdicts."""
    with Archive.read(archive_of(run)) as archive:
        found = find(archive, asked)
        report = archive.conclusion(REPORT)
        return {
            "program": found.id,
            "kind": found.kind,
            "source": found.source,
            "evaluations": [_evaluation(evaluation) for evaluation in archive.evaluations_of(found.id)],
            "north_star": [
                {"split": one.split, "fold": one.fold, **one.verdict.to_json()}
                for one in archive.promotions()
                if one.program_id == found.id
            ],
            "claim": next((row for row in report["arms"] if row["program"] == found.id), None)
            if report
            else None,
        }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "island": evaluation.island,
        "generation": evaluation.generation,
        "slot": evaluation.slot,
        "parents": list(evaluation.program.parents),
        "made_by": evaluation.program.made_by,
        "explanation": evaluation.program.explanation,
        "stage": evaluation.stage,
        "duplicate_of": evaluation.duplicate_of,
        "verdict": evaluation.verdict.to_json(),
    }


def program_text(facts: Mapping[str, Any]) -> RenderableType:
    """A program for a person."""
    lines = []
    for evaluation in facts["evaluations"]:
        verdict = evaluation["verdict"]
        score = f"{verdict['score'][0]:.5f}" if verdict["score"] else verdict["reason"]
        how = evaluation["explanation"] or evaluation["made_by"]
        place = f"island {evaluation['island']}, generation {evaluation['generation']}"
        lines.append(f"{place}: {how}; {verdict['status']} at {evaluation['stage']}: {score}")
    for one in facts["north_star"]:
        score = f"{one['score'][0]:.5f}" if one["score"] else one["reason"]
        lines.append(f"north star, {one['split']} {one['fold']}: {one['status']} {score}")
    for name, metric in (facts["claim"] or {}).get("metrics", {}).items():
        lines.append(f"claim, {name}: {metric['mean']:.4f}, gain {words(metric['gain'])}")
    return Group(
        Text(f"{facts['kind']} {facts['program']}"), _code(facts["source"], "python"), Text("\n".join(lines))
    )


def diff(run: Path, a: str, b: str) -> list[str]:
    """The lines of a unified diff from program a to program b, without comments and in one layout.

    Seeds are as their authors wrote them, and candidates as syntax trees are printed.
    """
    with Archive.read(archive_of(run)) as archive:
        first, second = (find(archive, one) for one in (a, b))
    before, after = (_in_one_layout(one.source).splitlines() for one in (first, second))
    return list(difflib.unified_diff(before, after, first.id, second.id, lineterm=""))


def _in_one_layout(source: str) -> str:
    try:
        return normal(source)
    except (SyntaxError, ValueError, RecursionError):
        return source  # a candidate that is no Python


def diff_text(lines: Sequence[str]) -> RenderableType:
    """The diff for a person."""
    return Group(_code("\n".join(lines), "diff")) if lines else Text("no difference but comments and layout")


def _code(source: str, lexer: str) -> Text:
    """The source with colours, its lines as long as they are: somebody may copy them."""
    text = Syntax(source, lexer, background_color="default").highlight(source)
    text.no_wrap, text.overflow = True, "ignore"
    text.rstrip()
    return text


def lineage(run: Path, asked: str) -> list[dict[str, Any]]:
    """The program and its ancestors, each as first born."""
    with Archive.read(archive_of(run)) as archive:
        evaluations = archive.lineage(identify(archive, asked))
        return [{"program": evaluation.program.id, **_evaluation(evaluation)} for evaluation in evaluations]


def lineage_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The lineage for a person."""
    whole = (Column(name, no_wrap=True) for name in ("program", "island, generation", "score"))
    table = Table(*whole, "parents", Column("what changed", overflow="fold"), box=None)
    for row in rows:
        place = f"{row['island']}, {row['generation']}"
        score = f"{row['verdict']['score'][0]:.5f}" if row["verdict"]["score"] else row["verdict"]["status"]
        how = Text(brief(row["explanation"] or row["made_by"]))
        table.add_row(row["program"], place, score, " ".join(one[:8] for one in row["parents"]), how)
    return table
