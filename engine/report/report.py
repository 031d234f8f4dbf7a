"""Report: what an archive says to a person, and the same as data."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import hexdigits
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ...evaluators.kinds.registry import kinds
from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive, UnknownProgram
from ...population.archive.views import Elite
from ...population.values.measurement import timed
from ...population.values.program import Program
from ..config.run_dir import REPORT, archive_of
from ..config.task import begun, recorded_config, task_for
from ..loop.seeds import seed_name
from ..north_star import decision
from ..north_star.trainings import CONCLUDING
from . import measurements as measured
from .alignment_table import UNSURE, gap, words
from .cautions import cautions, warned
from .proposer_stats import accounts, accounts_table, bills, bills_text
from .race_table import best_after, race_table

BEST = "best"
SHOWN = 2
"""Metrics that the report's table has room for."""
FEW = 3
"""Up to so many folds a table says how many there were: their standard error is itself a guess."""
BRIEF = 120
"""Characters of an explanation that a table has room for."""


def find(archive: Archive, asked: str, task: Task | None = None) -> Program:
    """The program asked for: an id, its first digits, a seed by its name or its file's, or "best".

    Seeds of the kind that the run did not start from are known of `task`, or of a kind that is installed.
    """
    if asked == BEST or set(asked) <= set(hexdigits):
        return archive.program(identify(archive, asked))
    born = [one.program for island in archive.generations() for one in archive.evaluations(island, 0)]
    if named := next((one for one in born if seed_name(one) == asked), None):
        return archive.program(named.id)
    config = recorded_config(archive)
    if task is None and config.kind in kinds():
        task = task_for(config)
    seeds = task.seeds if task else {}
    if asked not in seeds:
        names = ", ".join({*map(seed_name, born), *seeds})
        raise UnknownProgram(
            f"no program is called {asked!r}: give an id, its first digits, `best` or a seed ({names})"
        )
    return Program(config.kind, seeds[asked])


def identify(archive: Archive, asked: str) -> str:
    """The id of the program asked for, see `find`; "best" is the winner so far.

    A winner that a device found to be wrong is none.
    """
    if asked != BEST:
        return archive.program(asked).id if set(asked) <= set(hexdigits) else find(archive, asked).id
    leader = next(iter(archive.elites(1)), None)
    found = archive.conclusion(REPORT)
    wrong = {name for name, one in timed(archive.measurements()).items() if one.share is None}
    if found and not (leader and leader.measured) and found["winner"]["program"] not in wrong:
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
        found = archive.conclusion(REPORT)
        return {
            "decision": decision.recorded(found) if found else None,
            "archive": str(archive.path),
            "kind": run_begun.config["config"]["kind"],
            "version": run_begun.version,
            "data": terms["data"],
            "warnings": terms.get("warnings", []),
            "tier": terms["tier"],
            "estimate": _estimate(archive),
            "sessions": len(sessions),
            "seconds": round(archive.seconds_used(), 1),
            "ending": sessions[-1]["exit_reason"] if sessions else None,
            "forecast": run_begun.config.get("forecast"),
            "generations": archive.generations(),
            "candidates": shares.evaluations,
            "verdicts": {str(name): count for name, count in sorted(shares.statuses.items())},
            "answered_without_evaluation": round(shares.duplicates / evaluations, 4),
            "models": bills(archive),
            "proposers": accounts(archive),
            "best": _leaders(archive, 3),
            **cautions(archive),
            "measured": measured.standings(archive),
            "concluding": _concluding(archive),
            "report": found,
        }


def _concluding(archive: Archive) -> dict[str, int] | None:
    """How many trainings of the final judgement are done, of how many; None where it is not under way."""
    noted = archive.conclusion(CONCLUDING)
    if not noted or noted["generation"] != max(archive.generations().values()):
        return None
    counts: dict[str, int] = noted["timings"]
    return counts if counts["done"] < counts["of"] else None


def status_text(facts: Mapping[str, Any]) -> RenderableType:
    """The status for a person."""
    evaluations = max(facts["candidates"], 1)
    shares = ", ".join(
        f"{name} {count} ({count / evaluations:.0%})" for name, count in facts["verdicts"].items()
    )
    lines = [
        *([facts["decision"]["line"]] if facts["decision"] else []),
        f"{facts['kind']} on {facts['data']}, isolation tier {facts['tier']}",
        *(f"WARNING: {warning}" for warning in facts["warnings"]),
        *([facts["estimate"]] if facts["estimate"] else []),
        *(facts["forecast"]["lines"] if facts["forecast"] else []),
        f"{facts['sessions']} sessions, {facts['seconds']:g} s; "
        f"ended: {facts['ending'] or 'still running, or killed'}",
        "generations: " + ", ".join(f"island {key}: {done}" for key, done in facts["generations"].items()),
        f"{facts['candidates']:,} candidates: {shares}",
        f"answered from the record without an evaluation: {facts['answered_without_evaluation']:.1%}",
    ]
    if judging := facts["concluding"]:
        lines.append(f"judging finalists: {judging['done']} of {judging['of']} trainings")
    parts: list[RenderableType] = [Text("\n".join(lines)), *warned(facts)]
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
    """The best programs, one row each; the first is the one that "best" names."""
    with Archive.read(archive_of(run)) as archive:
        return _leaders(archive, count)


def _leaders(archive: Archive, count: int) -> list[dict[str, Any]]:
    elites = archive.elites()
    if not elites:
        return []
    best = identify(archive, BEST)
    # a winner without its idle edits was never on an island
    first = next((one for one in elites if one.program_id == best), Elite(best, None, None, ()))
    others = [one for one in elites if one.program_id != best]
    rows = [_elite(archive, one) for one in [first, *others][:count]]
    concluded = archive.conclusion(REPORT) is not None
    return [{**row, "winner": concluded and row["program"] == best} for row in rows]


def _estimate(archive: Archive) -> str:
    """What stood in for a north star that could not be measured where the run worked, or nothing."""
    begun = archive.run()
    return str(begun.config.get("terms", {}).get("estimate", "")) if begun else ""


def _elite(archive: Archive, elite: Elite) -> dict[str, Any]:
    born = archive.program(elite.program_id)
    star = elite.north_star
    return {
        "program": elite.program_id,
        "north_star": star.value if star else None,
        "north_star_error": star.spread if star else None,
        "north_star_folds": star.count if star else None,
        "live": elite.live.value if elite.live else None,
        "live_error": elite.live.spread if elite.live else None,
        "estimated": bool(_estimate(archive)),
        "measured": elite.measured.share if elite.measured else None,
        "proxy": elite.proxy,
        "islands": list(elite.islands),
        "made_by": born.made_by,
        "explanation": born.explanation,
    }


def top_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The rows of `top` for a person."""
    if not rows:
        return Text("No program yet: no generation is committed. Look again later.")
    star = "north star (estimate)" if any(row["estimated"] for row in rows) else "north star"
    how_made = Column("how it was made", overflow="fold")
    table = Table(Column("program", no_wrap=True), star, "proxy", "islands", how_made, box=None)
    for row in rows:
        star = "not measured" if row["north_star"] is None else f"{row['north_star']:.5f}"
        if row["north_star_error"] is not None:
            star += f" ± {row['north_star_error']:.5f}"
        if row["north_star"] is not None and row["north_star_folds"] <= FEW:
            star += f" ({row['north_star_folds']} fold{'s' if row['north_star_folds'] > 1 else ''})"
        if row["live"] is not None:
            star += f", live {row['live']:+.4g}{_shown(row['live_error'], '.2g', ' ± ')}"
        if row["measured"] is not None:
            star += f", measured {row['measured']:.5f}"
        islands, how = ",".join(map(str, row["islands"])), Text(brief(row["explanation"] or row["made_by"]))
        name = f"{row['program']}{' winner' if row['winner'] else ''}"
        table.add_row(name, star, _shown(row["proxy"], ".5f"), islands, how)
    return table


def rendered(report: Mapping[str, Any]) -> RenderableType:
    """The final report for a person: the decision first, then every arm beside the program in production."""
    table = Table(
        box=None, title="The claim split, which no search and no selection has seen", title_justify="left"
    )
    measured: Mapping[str, Any] = next((row["metrics"] for row in report["arms"] if "metrics" in row), {})
    names = [name for name in report["metrics"] if name in measured]
    shown, others = names[:SHOWN], names[SHOWN:]
    table.add_column("program", overflow="fold")
    for name in shown:
        table.add_column(f"{name}, gain", justify="right", no_wrap=True)
    remarks = []
    for row in report["arms"]:
        label = f"{row['name']} {row['program']}" if row["name"] == "winner" else row["name"]
        figures = [row["metrics"][name] for name in shown] if "metrics" in row else []
        cells = [f"{figure['mean']:.4f} {words(figure['gain'])}" for figure in figures] or ["failed"]
        table.add_row(f"{label} (in production)" if row["name"] == report["production"] else label, *cells)
        remarks += [f"{row['name']}: {remark}" for remark in _remarks(row, report)]
    chosen = report["winner"]
    lines = [
        *remarks,
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
    won = [row["metrics"] for row in report["arms"] if row["name"] == "winner" and "metrics" in row]
    for name, metrics in product(others, won):
        metric = metrics[name]
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
    lines += best_after(report)
    if report.get("edits"):
        lines += [_ancestry(report), *(f"  {each}" for each in _edits(report["edits"]))]
    parts: list[RenderableType] = [
        Text(decision.recorded(report)["line"], style="bold"),
        table,
        *race_table(report),
        Text("\n".join(lines)),
    ]
    if "online" in report:
        parts.append(experiments_table(report["online"]["experiments"]))
    return Group(*parts, *gap(report.get("alignment")))


def _remarks(row: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[str]:
    """What the guardrails say of an arm: what is broken, else the ratios of the winner and of production."""
    broken = [*row["guardrails_broken"], *filter(None, [row.get("failed")])]
    readings = {**row["guard"], **report["timings"]["arms"].get(row["program"], {})}
    ratios = [f"{name} {value:.2f}" for name, value in readings.items() if name.endswith("_ratio")]
    if broken:
        yield "; ".join(broken)
    elif ratios and row["name"] in ("winner", report["production"]):
        yield ", ".join(ratios)


def experiments_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The experiments for a person; the number of one is followed by the first digits of its program."""
    whole = (Column(name, no_wrap=True) for name in ("experiment", "state", "effect", "interval"))
    table = Table(*whole, "level", "looks", "why", box=None)
    for row in rows:
        state, effect = f"{row['state']} {row['outcome']}".strip(), _shown(row["effect"], "+.4g")
        interval = "" if row["low"] is None else f"[{row['low']:+.4g}, {row['high']:+.4g}]"
        cells = (row["experiment"], state, effect, interval, _shown(row["level"], ".3g"))
        table.add_row(*cells, str(row["looks"]), Text(row["reason"]))
    return table


def brief(explanation: str) -> str:
    """As much of an explanation as a table has room for; `recevolve show` has all of it."""
    return explanation if len(explanation) <= BRIEF else f"{explanation[: BRIEF - 1]}…"


def _shown(value: float | None, form: str, before: str = "") -> str:
    """The number in this format; nothing where there is none."""
    return "" if value is None else f"{before}{value:{form}}"


def _edits(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The edits of a report, a line each, the largest effect first."""
    lines = []
    for row in sorted(rows, key=lambda one: -(one["effect"] if one["effect"] is not None else float("inf"))):
        if row["effect"] is None:
            lines.append(f"cannot be undone alone: {row['edit']} ({row['reason']})")
            continue
        ends = f"({UNSURE})" if row["low"] is None else f"[{row['low']:+.5f}, {row['high']:+.5f}]"
        gone = "removed, " if row["removed"] else ""
        lines.append(f"{gone}{row['effect']:+.5f} {ends}: {row['edit']}")
    return lines


def _ancestry(report: Mapping[str, Any]) -> str:
    """What heads the edits of a winner."""
    chosen = report["winner"]
    where = "the last rung" if chosen["measured_by"] == "proxy" else "the selection folds"
    names = {row["program"]: row["name"] for row in report["arms"]}
    ancestor = names.get(chosen["ancestor"], chosen["ancestor"])
    if whole := chosen.get("simplified_from"):
        left = f"the winner is {whole} without those removed"
        return f"Edits of {whole} against {ancestor}, each undone alone on {where}; {left}:"
    return f"Edits of the winner against {ancestor}, each undone alone on {where}:"


def data_table(rows: Sequence[Any]) -> Table:
    """The catalogue for a person."""
    table = Table("name", "what it is", "on this machine", Column("licence", overflow="fold"), box=None)
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
