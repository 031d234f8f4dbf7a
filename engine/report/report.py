"""Report: what an archive says to a person, and the same as data."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ...population.archive.archive import Archive, UnknownProgram
from ...population.values.evaluation import Evaluation
from ..config.run_dir import REPORT, archive_of
from ..config.task import begun
from . import measurements as measured
from .alignment_table import brief, words
from .proposer_stats import accounts, accounts_table, bills, bills_text

BEST = "best"
SHOWN = 2
"""Metrics that the report's table has room for."""


def identify(archive: Archive, asked: str) -> str:
    """The id of the program asked for: an id, its first digits, or "best", the winner so far."""
    if asked != BEST:
        return archive.program(asked).id
    leader = next(iter(archive.elites(1)), None)
    found = archive.conclusion(REPORT)
    if found and not (leader and leader.measured):
        return str(found["winner"]["program"])
    if leader:
        return leader.program_id
    raise UnknownProgram("there is no best program yet: no generation is committed. Look again later.")


def status(run: Path) -> dict[str, Any]:
    """How far the run is: sessions, generations, shares by verdict, duplicates, the report if any."""
    with Archive.read(archive_of(run)) as archive:
        run_begun = begun(archive)
        terms = run_begun.config["terms"]
        shares = archive.shares()
        sessions = archive.sessions()
        evaluations = max(shares.evaluations, 1)
        return {
            "archive": str(archive.path),
            "kind": run_begun.config["config"]["kind"],
            "version": run_begun.version,
            "data": terms["data"],
            "tier": terms["tier"],
            "estimate": _estimate(archive),
            "sessions": len(sessions),
            "seconds": round(archive.seconds_used(), 1),
            "ending": sessions[-1]["exit_reason"] if sessions else None,
            "generations": archive.generations(),
            "candidates": shares.evaluations,
            "verdicts": {str(name): count for name, count in sorted(shares.statuses.items())},
            "answered_without_evaluation": round(shares.duplicates / evaluations, 4),
            "models": bills(archive),
            "proposers": accounts(archive),
            "best": [_elite(archive, elite) for elite in archive.elites(3)],
            "measured": measured.standings(archive),
            "report": archive.conclusion(REPORT),
        }


def status_text(facts: Mapping[str, Any]) -> RenderableType:
    """The status for a person."""
    evaluations = max(facts["candidates"], 1)
    shares = ", ".join(
        f"{name} {count} ({count / evaluations:.0%})" for name, count in facts["verdicts"].items()
    )
    lines = [
        f"{facts['kind']} on {facts['data']}, isolation tier {facts['tier']}",
        *([facts["estimate"]] if facts["estimate"] else []),
        f"{facts['sessions']} sessions, {facts['seconds']:g} s; "
        f"ended: {facts['ending'] or 'still running, or killed'}",
        "generations: " + ", ".join(f"island {key}: {done}" for key, done in facts["generations"].items()),
        f"{facts['candidates']:,} candidates: {shares}",
        f"answered from the record without an evaluation: {facts['answered_without_evaluation']:.1%}",
    ]
    parts: list[RenderableType] = [Text("\n".join(lines))]
    if facts["models"]:
        parts.append(Text(bills_text(facts["models"])))
    if facts["proposers"]:
        parts.append(accounts_table(facts["proposers"]))
    parts.append(top_table(facts["best"]))
    if facts["measured"]:
        parts.append(measured.table(facts["measured"]))
    if facts["report"]:
        parts.append(rendered(facts["report"]))
    return Group(*parts)


def top(run: Path, count: int) -> list[dict[str, Any]]:
    """The best programs, one row each."""
    with Archive.read(archive_of(run)) as archive:
        return [_elite(archive, elite) for elite in archive.elites(count)]


def _estimate(archive: Archive) -> str:
    """What stood in for a north star that could not be measured where the run worked, or nothing."""
    begun = archive.run()
    return str(begun.config.get("terms", {}).get("estimate", "")) if begun else ""


def _elite(archive: Archive, elite: Any) -> dict[str, Any]:
    born = archive.evaluations_of(elite.program_id)[0]
    star = elite.north_star
    return {
        "program": elite.program_id,
        "north_star": star.value if star else None,
        "north_star_error": star.spread if star else None,
        "live": elite.live.value if elite.live else None,
        "live_error": elite.live.spread if elite.live else None,
        "estimated": bool(_estimate(archive)),
        "measured": elite.measured.share if elite.measured else None,
        "proxy": elite.proxy,
        "islands": list(elite.islands),
        "made_by": born.program.made_by,
        "explanation": born.program.explanation,
    }


def top_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `top` for a person."""
    star = "north star (estimate)" if any(row["estimated"] for row in rows) else "north star"
    table = Table("program", star, "proxy", "islands", "how it was made", box=None)
    for row in rows:
        star = "not measured" if row["north_star"] is None else f"{row['north_star']:.5f}"
        if row["north_star_error"] is not None:
            star += f" ± {row['north_star_error']:.5f}"
        if row["live"] is not None:
            star += f", live {row['live']:+.4g} ± {row['live_error'] or 0:.2g}"
        if row["measured"] is not None:
            star += f", measured {row['measured']:.5f}"
        islands, how = ",".join(map(str, row["islands"])), Text(row["explanation"] or row["made_by"])
        table.add_row(row["program"], star, _shown(row["proxy"], ".5f"), islands, how)
    return table


def program(run: Path, asked: str) -> dict[str, Any]:
    """A program's source, its evaluations and its north-star verdicts."""
    with Archive.read(archive_of(run)) as archive:
        found = archive.program(identify(archive, asked))
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
        Text(f"{facts['kind']} {facts['program']}"), Syntax(facts["source"], "python"), Text("\n".join(lines))
    )


def diff(run: Path, a: str, b: str) -> list[str]:
    """The lines of a unified diff from program a to program b."""
    with Archive.read(archive_of(run)) as archive:
        first, second = (archive.program(identify(archive, one)) for one in (a, b))
    return list(
        difflib.unified_diff(
            first.source.splitlines(), second.source.splitlines(), first.id, second.id, lineterm=""
        )
    )


def diff_text(lines: Sequence[str]) -> RenderableType:
    """The diff for a person."""
    return Syntax("\n".join(lines) or "no difference", "diff")


def lineage(run: Path, asked: str) -> list[dict[str, Any]]:
    """The program and its ancestors, each as first born."""
    with Archive.read(archive_of(run)) as archive:
        evaluations = archive.lineage(identify(archive, asked))
        return [{"program": evaluation.program.id, **_evaluation(evaluation)} for evaluation in evaluations]


def lineage_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The lineage for a person."""
    table = Table("program", "born", "score", "parents", "what changed", box=None)
    for row in rows:
        place = f"island {row['island']}, generation {row['generation']}"
        score = f"{row['verdict']['score'][0]:.5f}" if row["verdict"]["score"] else row["verdict"]["status"]
        how = Text(row["explanation"] or row["made_by"])
        table.add_row(row["program"], place, score, " ".join(row["parents"]), how)
    return table


def rendered(report: Mapping[str, Any]) -> RenderableType:
    """The final report for a person: the claim first, then every arm beside the program in production."""
    table = Table(
        box=None, title="The claim split, which no search and no selection has seen", title_justify="left"
    )
    measured: Mapping[str, Any] = next((row["metrics"] for row in report["arms"] if "metrics" in row), {})
    names = [name for name in report["metrics"] if name in measured]
    shown, others = names[:SHOWN], names[SHOWN:]
    table.add_column("program")
    for name in shown:
        table.add_column(name, justify="right")
        table.add_column("gain", justify="right")
    table.add_column("guardrails")
    for row in report["arms"]:
        label = f"{row['name']} {row['program']}" if row["name"] == "winner" else row["name"]
        cells = [f"{label} (in production)" if row["name"] == report["production"] else label]
        for name in shown:
            metric = row["metrics"][name] if "metrics" in row else None
            cells += [f"{metric['mean']:.4f}", words(metric["gain"])] if metric else ["failed", ""]
        readings = {**row["guard"], **report["timings"]["arms"].get(row["program"], {})}
        held = ", ".join(f"{key} {value:.2f}" for key, value in readings.items() if key.endswith("_ratio"))
        table.add_row(
            *cells, Text("; ".join([*row["guardrails_broken"], row.get("failed", "")]).strip("; ") or held)
        )
    chosen = report["winner"]
    lines = [
        f"{report['trials']:,} candidates, {chosen['finalists']} finalists, "
        f"{report['timings']['seconds']:.0f} s of search (ended by {report['reason']}); {report['data']}; "
        f"isolation tier {report['tier']}; workers evaluated {report['timings']['evaluating_share']:.0%} of "
        "their time.",
        f"Gains are over {report['production']}, positive is better, with intervals of "
        f"{report['confidence']:.4g} confidence, paired over "
        + (
            "sizes and draws of estimates."
            if report.get("estimate")
            else "folds of disjoint users and fresh seeds."
        ),
    ]
    first = report["arms"][0].get("metrics", {})
    for name in others if first else ():
        metric = first[name]
        lines.append(f"The winner's {name}: {metric['mean']:.4f}, gain {words(metric['gain'])}.")
    if report.get("estimate"):
        lines.insert(0, report["estimate"])
    if report["fallback"]:
        lines.insert(0, "The log asked for was not to be had: these figures are of the fallback log.")
    if "selection_gain_shrunken" in chosen:
        lines.append(
            f"On the selection split the winner gained {chosen['selection_gain']:+.4f}; corrected for "
            f"picking it: {words(chosen['selection_gain_shrunken'])}."
        )
    if report.get("edits"):
        lines += [_ancestry(chosen), *(f"  {each}" for each in _edits(report["edits"]))]
    parts: list[RenderableType] = [
        Text(report["gain"]["sentence"], style="bold"),
        table,
        Text("\n".join(lines)),
    ]
    if "online" in report:
        parts.append(experiments_table(report["online"]["experiments"]))
    return Group(*parts, *brief(report.get("alignment")))


def experiments_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The experiments for a person."""
    table = Table("experiment", "program", "state", "effect", "interval", "level", "looks", "why", box=None)
    for row in rows:
        state, effect = f"{row['state']} {row['outcome']}".strip(), _shown(row["effect"], "+.4g")
        interval = "" if row["low"] is None else f"[{row['low']:+.4g}, {row['high']:+.4g}]"
        cells = (row["experiment"], row["program"], state, effect, interval, _shown(row["level"], ".3g"))
        table.add_row(*cells, str(row["looks"]), Text(row["reason"]))
    return table


def _shown(value: float | None, form: str) -> str:
    """The number in this format; nothing where there is none."""
    return "" if value is None else format(value, form)


def _edits(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The edits of a report, a line each, the largest effect first."""
    lines = []
    for row in sorted(rows, key=lambda one: -(one["effect"] if one["effect"] is not None else float("inf"))):
        if row["effect"] is None:
            lines.append(f"cannot be undone alone: {row['edit']} ({row['reason']})")
            continue
        ends = "unknown error" if row["low"] is None else f"[{row['low']:+.5f}, {row['high']:+.5f}]"
        gone = "removed, " if row["removed"] else ""
        lines.append(f"{gone}{row['effect']:+.5f} {ends}: {row['edit']}")
    return lines


def _ancestry(chosen: Mapping[str, Any]) -> str:
    """What heads the edits of a winner."""
    where = "the last rung" if chosen["measured_by"] == "proxy" else "the selection folds"
    ancestor = chosen["ancestor"]
    if whole := chosen.get("simplified_from"):
        left = f"the winner is {whole} without those removed"
        return f"Edits of {whole} against {ancestor}, each undone alone on {where}; {left}:"
    return f"Edits of the winner against {ancestor}, each undone alone on {where}:"


def data_table(rows: Sequence[Any]) -> Table:
    """The catalogue for a person."""
    table = Table("name", "what it is", "on this machine", "licence", box=None)
    for row in rows:
        missing = "generated" if row["wheel"] is None else "no"
        table.add_row(row["name"], row["summary"], "yes" if row["path"] else missing, row["licence"])
    return table


def data_text(source: Mapping[str, Any]) -> str:
    """One built-in log for a person: where it lies, and under which terms."""
    lines = [f"{source['name']}: {source['summary']}", f"licence: {source['licence']}"]
    lines += [f"cite: {source['citation']}"] if source["citation"] else []
    lines += [f"file: {source['path']}"] if source["path"] else []
    return "\n".join(lines)
